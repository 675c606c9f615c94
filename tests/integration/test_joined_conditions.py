"""Conditions of several permissions, as one."""

from __future__ import annotations

import pytest

from dartwing_core.wall import joined_conditions


@pytest.mark.parametrize(
    ("conditions", "joined"),
    [
        (["1 = 1", ""], "1 = 1"),
        (["a = 1 or b = 1"], "(a = 1 or b = 1)"),
        (["a = 1", "b = 1 OR c = 1"], "(a = 1) and (b = 1 OR c = 1)"),
        (["", None], ""),
    ],
)
def test_conditions_have_parentheses_where_they_need_them(site, conditions, joined):
    # Seen failing: a single one had them too, and a test of Frappe 15 looks for the bare one.
    assert joined_conditions.joined(conditions) == joined
