"""The scripts of Desk and of the job center make no elements of HTML, and their texts are translated whole."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from standalone import checks, commands

APP = checks.ROOT / "dartwing_core"
PUBLIC = APP / "public"
SCRIPTS = sorted((*PUBLIC.glob("js/**/*.js"), *PUBLIC.glob("job_center/*.js")))
MARKUP = re.compile(r"\.innerHTML|insertAdjacentHTML|\.html\(|document\.write|\beval\b|new Function|__\(`")


def test_scripts_make_no_elements_of_html_and_no_text_of_parts():
    # A browser shows the effect (`test_texts_of_jobs_never_become_markup`). A text of parts has no translation.
    assert {path.parent.name for path in SCRIPTS} == {"js", "jobs", "job_center"}
    for path in SCRIPTS:
        assert not MARKUP.search(path.read_text()), path
        if path.parent.name == "job_center":  # the page's policy allows no inline code
            assert not re.search(r"outerHTML|\.on\w+ = |[\"']style[\"']", path.read_text()), path
    assert not re.search(r"\s(on\w+|style)\s*=", (APP / "www" / "job-center.html").read_text())


def texts_of(file: Path) -> set[str]:
    with file.open("rb") as opened:
        return {str(message.id) for message in read_po(opened) if message.id}


@pytest.mark.skipif(os.environ.get("DW_MODE") != "standalone", reason="`./dev pot` runs in the virtual environment")
def test_the_committed_template_is_current(tmp_path):
    # Renew it with: ./dev pot
    checks.run("pybabel", *commands.POT, f"--output-file={tmp_path / 'new.pot'}").check_returncode()
    assert texts_of(APP / "locale" / "main.pot") == texts_of(tmp_path / "new.pot")
