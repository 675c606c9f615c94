"""The scripts of Desk and of the job center make no elements of HTML (dartwing_core/public/README.md)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PUBLIC = Path(__file__).parents[2] / "dartwing_core" / "public"
SCRIPTS = sorted((*PUBLIC.glob("js/**/*.js"), *PUBLIC.glob("job_center/*.js")))
MARKUP = re.compile(r"\.innerHTML|insertAdjacentHTML|\.html\(")


@pytest.fixture(params=SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def script(request) -> str:
    return request.param.read_text()


def test_no_script_makes_elements_of_html(script):
    assert not MARKUP.search(script)


def test_there_are_scripts_of_both():
    assert {path.parent.name for path in SCRIPTS} == {"js", "jobs", "job_center"}
