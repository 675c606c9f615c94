"""Cells of the matrix that a hole of Frappe's opens, by its number upstream. No hole yields a content."""

from __future__ import annotations

HOLES: dict[tuple[str, str], str] = {}
"""By the word in an account's name, or "" for any, and the door."""


def hole_of(account: str, door: str) -> str | None:
    """The known hole that may open this door to this account."""
    return next((why for (word, one), why in HOLES.items() if one == door and account.endswith(word)), None)
