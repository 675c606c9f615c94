"""An exception's message as plain text.

`frappe.throw` takes HTML, other exceptions say "a < b" or "<class 'int'>". Frappe's `strip_html` and HTML parsers cut
pieces out of those. So only certain tags of HTML count as tags.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

LONGEST = 20_000
"""Characters that are read: more are never shown, and another system's answer may have any size."""

_LINES = "address article blockquote br dd div dl dt footer h1 h2 h3 h4 h5 h6 header hr li ol p pre section table title"
_LINES += " tr ul"
_WORDS = "a abbr b body caption center cite code col colgroup del details em font head html i img ins kbd label link"
_WORDS += " mark meta q s samp script small span strike strong style sub summary sup svg tbody td tfoot th thead tt u"
_ENDS_LINE = frozenset(_LINES.split())
_NAMES = "|".join([*_LINES.split(), *_WORDS.split()])
_ATTRIBUTES = r"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+))*"""
_TAG = re.compile(rf"</?({_NAMES}){_ATTRIBUTES}\s*/?>|<!doctype\b[^<>]*>", re.IGNORECASE)
_HIDDEN = re.compile(r"<(script|style)\b[^<>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_BARE_AMPERSAND = re.compile(r"&(?!(?:#\d+|#x[0-9a-f]+|[a-z][a-z0-9]*);)", re.IGNORECASE)


def of_error(error: BaseException, prepare: Callable[[str], str] = str) -> str:
    """The text of an exception. "" if it has none. Raises the errors of its `str()`.

    `prepare` changes it before it is cut and its HTML is made plain.
    """
    said = error.args[0] if len(error.args) == 1 else None
    if isinstance(said, list | tuple):  # `frappe.throw([…], as_list=True)`
        return "\n".join(plain(prepare(str(item))) for item in said)
    return plain(prepare(str(error)))


def plain(text: str) -> str:
    """A text that may be HTML, without its tags and with its entities replaced."""
    text = text[:LONGEST]
    if _TAG.search(text):
        text = _TAG.sub(_replacement, _HIDDEN.sub("", text))
        lines = (" ".join(line.split()) for line in text.splitlines())
        text = "\n".join(line for line in lines if line)
    return html.unescape(_BARE_AMPERSAND.sub("&amp;", text)).strip()


def _replacement(tag: re.Match[str]) -> str:
    name = (tag[1] or "").lower()
    return "\n" if name in _ENDS_LINE else " " if name in ("td", "th") else ""
