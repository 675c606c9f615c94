"""`./dev test` runs the tests of others: of the example app, and of the handlers in the documents."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.snippets import snippets

pytestmark = pytest.mark.skipif(os.environ.get("DW_MODE") != "standalone", reason="`./dev test` makes its own site")

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "invoice_run"


@pytest.mark.live
@pytest.mark.timeout(600)
def test_the_tests_of_the_example_app_pass():
    assert " 9 passed" in run_tests("--app", EXAMPLE)


@pytest.mark.live
@pytest.mark.timeout(600)
def test_the_test_of_a_file_of_handlers_passes(tmp_path):
    found = snippets(ROOT / "docs" / "testing_handlers.md")
    for name in ("my_jobs.py", "test_my_jobs.py"):
        (text,) = [snippet.text for snippet in found if snippet.text.startswith(f"# {name}\n")]
        (tmp_path / name).write_text(text)
    # Seen failing: the user that a test sets was also that of the next one.
    is_administrator = "assert frappe.session.user == 'Administrator'"
    one = f"{is_administrator}; frappe.set_user('Guest')"
    users = f"import frappe\n\ndef test_a():\n    {one}\n\ndef test_b():\n    {is_administrator}\n"
    (tmp_path / "test_users.py").write_text(users)
    assert " 3 passed" in run_tests("--handlers", tmp_path / "my_jobs.py")


def run_tests(option: str, path: Path) -> str:
    """What `./dev test` says of this app or file. Its tests pass."""
    command = [sys.executable, "-P", "-m", "standalone", "test", option, str(path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DW_")}
    environment["PYTHONPATH"] = str(ROOT)
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
