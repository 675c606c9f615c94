"""Text for people."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any

from frappe import _

LONGEST_SHOWN = 100
TEXT_LENGTH = 2_000
"""Characters of a reason or a description that are stored."""


def cut(value: Any) -> str:
    """A caller's value for an error's text: cut, since it may be megabytes long."""
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def describe_unknown(names: Iterable[str], known: Collection[str]) -> str:
    """Which names are unknown, each with the known one that its caller may have meant."""
    return "; ".join(_describe_unknown(cut(name), known) for name in names)


def _describe_unknown(name: str, known: Collection[str]) -> str:
    if close := get_close_matches(name, known, 1):
        return _("{0} is unknown: did you mean {1}?").format(name, close[0])
    return _("{0} is unknown (known: {1})").format(name, ", ".join(sorted(known)) or _("none"))
