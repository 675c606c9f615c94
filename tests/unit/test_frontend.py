"""The scripts of Desk and of the job center make no elements of HTML, and their texts are translated whole."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from standalone import checks, commands

PUBLIC = Path(__file__).parents[2] / "dartwing_core" / "public"
SCRIPTS = sorted((*PUBLIC.glob("js/**/*.js"), *PUBLIC.glob("job_center/*.js")))
MARKUP = re.compile(r"\.innerHTML|insertAdjacentHTML|\.html\(")


def test_no_script_makes_elements_of_html():
    assert {path.parent.name for path in SCRIPTS} == {"js", "jobs", "job_center"}
    assert [path for path in SCRIPTS if MARKUP.search(path.read_text())] == []


# Translations -------------------------------------------------------------------------------------------------------


APP = checks.ROOT / "dartwing_core"


def texts_of(file: Path) -> set[str]:
    with file.open("rb") as opened:
        return {str(message.id) for message in read_po(opened) if message.id}


@pytest.mark.skipif(os.environ.get("DW_MODE") != "standalone", reason="`./dev pot` runs in the virtual environment")
def test_the_committed_template_is_current(tmp_path):
    # Renew it with: ./dev pot
    checks.run("pybabel", *commands.POT, f"--output-file={tmp_path / 'new.pot'}").check_returncode()
    assert texts_of(APP / "locale" / "main.pot") == texts_of(tmp_path / "new.pot")


def test_every_text_of_a_script_is_a_whole():
    """A text put together by the script can't be translated."""
    for path in (APP / "public" / "js").rglob("*.js"):
        assert "__(`" not in path.read_text(), path
