"""The holes that `dartwing_core/wall` closes are there in this Frappe: what Frappe closes itself needs no rule.

Each hole is shown by calling Frappe's own function where no rule acts. A hole that only another version has must not
be there: then the rule has to name this version, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import frappe
import pytest

import dartwing_core.wall
from dartwing_core.wall.frappe_version import IS_15
from tests.support import holes
from tests.support.holes import scene as scenes

IS_STANDALONE = os.environ["DW_MODE"] == "standalone"
VERSION = 15 if IS_15 else 16
HOLES = Path(dartwing_core.wall.__file__).parent / "HOLES.md"
SUBSTITUTES = "dartwing_core.wall.substitutes."


@pytest.fixture(scope="module")
def _doctype(_connected) -> Iterator[None]:
    scenes.make_doctype()
    yield
    scenes.remove_doctype()


@pytest.fixture
def scene(site, _doctype) -> Iterator[holes.Scene]:
    with holes.made() as made:
        yield made


@pytest.mark.parametrize("rule", holes.HOLES)
def test_the_hole_is_there(scene, rule):
    hole = holes.HOLES[rule]
    if hole.needs_bench and IS_STANDALONE:
        pytest.skip("the standalone site can't show it")
    is_open = bool(hole.is_open(scene))
    answers = "\n".join(answer[:500] for answer in scene.answers)
    if VERSION in hole.versions:
        assert is_open, f"Frappe {frappe.__version__} has closed this: remove rule {rule}. It answers:\n{answers}"
    else:
        assert not is_open, f"Frappe {frappe.__version__} has this hole, too: let rule {rule} say so.\n{answers}"


def rules() -> set[str]:
    """The first module of each row in the first table of HOLES.md, and each substitute."""
    modules = set(re.findall(r"^\| `(\w+)`.* \| .+ \| .+ \|$", HOLES.read_text(), re.MULTILINE))
    paths = [path for paths in frappe.get_hooks("override_whitelisted_methods").values() for path in paths]
    functions = {path.removeprefix("dartwing_core.wall.") for path in paths if path.startswith(SUBSTITUTES)}
    return modules | functions


def named_without_test() -> set[str]:
    section = HOLES.read_text().partition("## Tests of the holes")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(.+?)`", section, re.MULTILINE))


def test_every_rule_is_shown_or_named_as_one_that_no_test_shows(site):
    shown = {rule.partition(":")[0] for rule in holes.HOLES}
    assert rules() - shown - named_without_test() == set()
    assert named_without_test() & set(holes.HOLES) == set()
