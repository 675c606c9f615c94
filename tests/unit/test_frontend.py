"""The scripts of Desk and of the job center make no elements of HTML (dartwing_core/public/README.md)."""

from __future__ import annotations

import re
from pathlib import Path

PUBLIC = Path(__file__).parents[2] / "dartwing_core" / "public"
SCRIPTS = sorted((*PUBLIC.glob("js/**/*.js"), *PUBLIC.glob("job_center/*.js")))
MARKUP = re.compile(r"\.innerHTML|insertAdjacentHTML|\.html\(")


def test_no_script_makes_elements_of_html():
    assert {path.parent.name for path in SCRIPTS} == {"js", "jobs", "job_center"}
    assert [path for path in SCRIPTS if MARKUP.search(path.read_text())] == []
