"""`./dev run --served FILE`: the file runs in the site that is up, and no other is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import frappe
import pytest

from standalone import launcher, served

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.environ.get("DW_MODE") != "standalone", reason="`./dev serve` makes its own site"),
]

ROOT = Path(__file__).resolve().parents[2]
PORT = "18290"


def test_a_file_runs_in_the_served_site(site, tmp_path):
    # Seen failing: each `./dev run` had a MariaDB of its own.
    here = launcher.attach()
    here.environment["DW_URL"] = f"http://127.0.0.1:{PORT}"
    announced = served.announce(here)
    file = tmp_path / "look.py"
    file.write_text("import sys, frappe\nprint(frappe.conf.db_port, frappe.session.user, sys.argv[1:])\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DW_", "FRAPPE_"))}
    command = [sys.executable, "-P", "-m", "standalone", "run", "--served", file, "--served"]
    try:
        ran = subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment, "DW_PORT": PORT, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        announced.unlink()
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{frappe.conf.db_port} Administrator ['--served']\n"
    assert ran.stderr == f"In the served site, http://127.0.0.1:{PORT}\n"
