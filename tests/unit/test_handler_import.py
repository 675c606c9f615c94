"""A module of handlers is imported where no site is, too: by pytest as it collects, by editors, by documentation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HANDLER = "def handler(context): pass\n"
DECORATED = f"from dartwing_core.jobs import job_handler\n{{decorator}}\n{HANDLER}"
CLASS = "from dartwing_core.jobs import job_handler\n@job_handler('an_import', timeout=5)\nclass Handler:\n    {body}\n"


def import_without_site(code: str, folder: Path) -> str:
    """What Python says of this module, imported in a folder without a site: its last line."""
    folder.joinpath("handlers_of_mine.py").write_text(code)
    path = [str(ROOT), *(entry for entry in sys.path if entry)]
    alias = "import standalone.alias; standalone.alias.install()" if os.environ.get("DW_MODE") == "standalone" else ""
    command = f"import sys; sys.path[:0] = {path!r}\n{alias}\nimport handlers_of_mine"
    ran = subprocess.run(
        [sys.executable, "-c", command], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return ran.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize(
    "code",
    [
        DECORATED.format(decorator="@job_handler('an_import', timeout=120, title='A title', retry_on=['KeyError'])"),
        DECORATED.format(decorator="@job_handler('an_import', timeout='soon')"),
        CLASS.format(body="def run(self, context): pass"),
        "import dartwing_core.handlers.http_request\nimport dartwing_core.handlers.export_records\n",
    ],
    ids=["options", "wrong kind", "class", "seeded"],
)
def test_a_module_of_handlers_needs_no_site(code, tmp_path):
    # Seen failing: when each kind of an option was translated as the decorator read it.
    assert import_without_site(code, tmp_path) == ""


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (DECORATED.format(decorator="@job_handler('an_import', timout=5)"), "option timout is unknown: did you mean"),
        (DECORATED.format(decorator="@job_handler(timeout=5)"), "Name the Job Type as well: @job_handler("),
        (DECORATED.format(decorator="@job_handler").replace("context", ""), "handlers_of_mine.handler: "),
        (CLASS.format(body="pass"), "Handler: a handler that is a class has a method run."),
        (CLASS.format(body="def run(self): pass"), "handlers_of_mine.Handler: "),
    ],
    ids=["option", "no name", "no context", "no method", "method without context"],
)
def test_an_error_in_a_declaration_is_what_its_author_reads(code, text, tmp_path):
    # Seen failing: Frappe's search for a translation, and then for a log file, ended in a FileNotFoundError.
    said = import_without_site(code, tmp_path)
    assert said.startswith("TypeError: ")
    assert text in said
