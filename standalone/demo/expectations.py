"""Expectations, checked as the demo goes along; nothing stops at the first surprise."""

from __future__ import annotations

from typing import Any


class Expectations:
    """Counts what was checked and keeps, in words, what was not as expected."""

    def __init__(self) -> None:
        self.checked = 0
        self.failed: list[str] = []

    def that(self, holds: bool, otherwise: str) -> None:
        """`otherwise` says what is wrong if it does not hold."""
        self.checked += 1
        if not holds:
            self.failed.append(otherwise)

    def equal(self, what: str, found: Any, expected: Any) -> None:
        self.that(found == expected, f"{what}: expected {expected}, found {found}")
