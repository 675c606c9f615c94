"""Text for people."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

import frappe

LONGEST_SHOWN = 100
MOST_DESCRIBED = 20
"""Unknown names in an error. Each is compared with all known ones."""
TEXT_LENGTH = 2_000
"""Characters of a reason or a description that are stored."""


def translate(text: str) -> str:
    """Frappe's `_`, for code that also runs when a handler's module is imported: without a site, the text as it is.

    There, Frappe would look for translations, fail, and fail again to log it where there is no folder `logs`.
    """
    return frappe._(text) if getattr(frappe.local, "site", None) else text


_ = translate


def cut(value: Any) -> str:
    """A caller's value for an error's text: cut, since it may be megabytes long."""
    text = str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def describe_unknown(names: Sequence[str], known: Collection[str]) -> str:
    """Which names are unknown, each with the known one that its caller may have meant. Of many, the first are named."""
    return "; ".join(_describe_unknown(cut(name), known) for name in names[:MOST_DESCRIBED])


def _describe_unknown(name: str, known: Collection[str]) -> str:
    if close := get_close_matches(name, known, 1):
        return _("{0} is unknown: did you mean {1}?").format(name, close[0])
    return _("{0} is unknown (known: {1})").format(name, ", ".join(sorted(known)) or _("none"))


def as_sentence(text: str) -> str:
    """The text with a full stop, unless it ends a sentence itself."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def is_path(path: str) -> bool:
    """Whether a text has the form of a function's dotted path."""
    return "." in path and all(part.isidentifier() for part in path.split("."))


def text_for_storage(value: Any) -> str:
    """The value's text as the database accepts it. A file name may hold half a character, which no column can."""
    return str(value).encode("utf-8", "replace").decode("utf-8")
