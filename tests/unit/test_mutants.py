"""The mutants of `./dev mutate`: each does something else, by one change of the code."""

from __future__ import annotations

import textwrap

import pytest

pytest.importorskip("cosmic_ray", reason="a bench has none")

from standalone.mutants import mutants_of

SOURCE = textwrap.dedent(
    '''
    """What it does."""

    def first(numbers: list[int] | None, *, most: int = 3) -> int:
        """The first that is small enough."""
        numbers.sort()
        return min(number for number in numbers if number < most)

    def second() -> set[str]:
        return {"a", "b"}
    '''
)


def test_each_changes_the_code_in_one_place_and_none_annotations_or_texts_for_readers():
    found = mutants_of(SOURCE)
    assert [mutant.line for mutant in found] == [4, 4, 6, 7, 7, 7, 7, 10, 10, 10]
    changes = {mutant.change for mutant in found}
    assert {"without numbers.sort()", "opposite of min", "without 'a'"} < changes
    comparison = "return min(number for number in numbers if number < most)"
    assert f"{comparison}  →  {comparison.replace('<', '<=')}" in changes


def test_what_may_be_changed_can_be_named():
    assert [mutant.change for mutant in mutants_of(SOURCE, ["second"])] == [
        "None returned, not {'a', 'b'}",
        "without 'a'",
        "without 'b'",
    ]
