"""A module of handlers is imported where no site is, too: by pytest as it collects, by editors, by documentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DECLARED = "@job_handler('an_import', timeout=5)\n"
HANDLER = "def handler(context): pass\n"
FINE = {
    "options": f"@job_handler('an_import', timeout=120, title='A title', retry_on=['KeyError'])\n{HANDLER}",
    "wrong kind": f"@job_handler('an_import', timeout='soon')\n{HANDLER}",
    "seeded": "import dartwing_core.handlers.http_request, dartwing_core.handlers.export_records\n",
}
WRONG = {
    f"@job_handler('an_import', timout=5)\n{HANDLER}": "option timout is unknown: did you mean",
    f"@job_handler(timeout=5)\n{HANDLER}": "Name the Job Type as well: @job_handler(",
    "@job_handler\ndef handler(): pass\n": "mine.handler: ",
    "@job_handler\ndef handler(context, *files: str): pass\n": "name each parameter instead of *files",
    f"{DECLARED}class Handler:\n    def run(self, context): pass\n": "Handler: a handler must be a plain function",
}
PROGRAM = """
import json
from dartwing_core.jobs import job_handler

def said(code):
    try:
        exec(code, {"job_handler": job_handler, "__name__": "mine"})
    except Exception as error:
        return f"{type(error).__name__}: {error}"

print(json.dumps([said(code) for code in codes]))
"""


def said_without_site(codes: list[str], folder: Path) -> list[str | None]:
    """The errors of modules with these texts, in a process that has no site."""
    path = [str(ROOT), *(entry for entry in sys.path if entry)]
    alias = "import standalone.alias; standalone.alias.install()" if os.environ.get("DW_MODE") == "standalone" else ""
    program = f"import sys; sys.path[:0] = {path!r}\n{alias}\ncodes = {codes!r}\n{PROGRAM}"
    ran = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_module_of_handlers_needs_no_site_and_an_error_in_it_is_what_its_author_reads(tmp_path):
    # Seen failing: when each kind of an option was translated as the decorator read it.
    # Frappe's search for a translation, and then for a log file, ended in a FileNotFoundError.
    fine, wrong = [*FINE.values()], [*WRONG]
    said = said_without_site(fine + wrong, tmp_path)
    assert said[: len(fine)] == [None] * len(fine)
    for error, text in zip(said[len(fine) :], WRONG.values(), strict=True):
        assert error.startswith("TypeError: ")
        assert text in error
