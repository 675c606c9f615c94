"""Finds which names lead to some rows. The database takes many spellings for one name, and finds the row by each."""

from __future__ import annotations

from collections.abc import Callable, Collection


def leading_to(names: Collection[str], find: Callable[[list[str]], Collection[str]]) -> set[str]:
    """Those of these names that lead to a row which `find` finds, in any spelling.

    `find` returns rows' own names. Nobody sends other spellings in good faith: if one leads to a row, all names count.
    """
    found = {*find([*names])} if names else set()
    others = {*names} - found
    is_spelled = found and others and (not found <= {*names} or find([*others]))
    return {*names} if is_spelled else found
