"""The scripts of Desk and of the job center follow one convention (docs/frontend.md)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PUBLIC = Path(__file__).parents[2] / "dartwing_core" / "public"
SCRIPTS = sorted((*PUBLIC.glob("js/**/*.js"), *PUBLIC.glob("job_center/*.js")))
DECLARED = re.compile(
    r"\b(?:function|const|let|get|async)\s+([a-z]\w*)|^\s+(?:async )?(\w+)\([^()]*\) \{$|\bthis\.(\w+) =", re.MULTILINE
)
MARKUP = re.compile(r"\.innerHTML|insertAdjacentHTML|\.html\(")


@pytest.fixture(params=SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def script(request) -> str:
    return request.param.read_text()


def test_names_are_as_in_python_and_in_the_rest_api(script):
    # Seen failing: functions of the job center were named in the other way.
    names = {name for found in DECLARED.findall(script) for name in found if name}
    assert {name for name in names if re.search("[a-z][A-Z]", name)} == set()


def test_the_first_line_says_what_the_script_owns(script):
    assert re.match(r"// \S.{10,}\n", script)


def test_no_script_makes_elements_of_html(script):
    assert not MARKUP.search(script)


def test_there_are_scripts_of_both():
    assert {path.parent.name for path in SCRIPTS} == {"js", "jobs", "job_center"}
