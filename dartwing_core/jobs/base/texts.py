"""Text for people."""

from __future__ import annotations

from typing import Any

LONGEST_SHOWN = 100
TEXT_LENGTH = 2_000
"""Characters of a reason or a description that are stored."""


def cut(value: Any) -> str:
    """A caller's value for an error's text: cut, since it may be megabytes long."""
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
