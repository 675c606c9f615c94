"""The example app: its own tests pass in a site where it is installed, as its README says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.environ.get("DW_MODE") != "standalone", reason="`./dev test` makes its own site")

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "invoice_run"


@pytest.mark.timeout(600)
def test_the_tests_of_the_example_app_pass():
    command = [sys.executable, "-P", "-m", "standalone", "test", "--app", str(EXAMPLE)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DW_")}
    environment["PYTHONPATH"] = str(ROOT)
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "6 passed, 0 failed" in ran.stdout
