"""The template of translations holds every text there is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from standalone import checks, commands

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
