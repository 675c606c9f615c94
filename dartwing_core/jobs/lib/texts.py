"""Text for people."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote, quote_plus

import frappe

MASK = "••••••••"
"""What is shown in place of a secret."""
LONGEST_SHOWN = 100
MOST_DESCRIBED = 20  # unknown names in an error: each is compared with all known ones
TEXT_LENGTH = 2_000  # characters of a reason or a description that are stored
LONGEST_READ = 20_000
"""Characters of an error that are read: more are never shown, and another system's answer may have any size."""
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


def error_text(error: BaseException, prepare: Callable[[str], str] = str) -> str:
    """The message of an exception as plain text. "" if it has none. Raises the errors of its `str()`.

    `prepare` changes it before it is cut and its HTML is made plain.
    """
    said = error.args[0] if len(error.args) == 1 else None
    if isinstance(said, list | tuple):  # `frappe.throw([…], as_list=True)`
        return "\n".join(plain(prepare(str(item))) for item in said)
    return plain(prepare(str(error)))


def plain(text: str) -> str:
    """A text that may be HTML, without its tags and with its entities replaced.

    `frappe.throw` takes HTML, other exceptions say "a < b" or "<class 'int'>". Frappe's `strip_html` and HTML parsers
    cut pieces out of those. So only certain tags of HTML count as tags.
    """
    text = text[:LONGEST_READ]
    if _TAG.search(text):
        text = _TAG.sub(_replacement, _HIDDEN.sub("", text))
        lines = (" ".join(line.split()) for line in text.splitlines())
        text = "\n".join(line for line in lines if line)
    return html.unescape(_BARE_AMPERSAND.sub("&amp;", text)).strip()


def _replacement(tag: re.Match[str]) -> str:
    name = (tag[1] or "").lower()
    return "\n" if name in _ENDS_LINE else " " if name in ("td", "th") else ""


# Dots in place of secrets, however they are spelled in errors and logs ------------------------------------------------


SHORTEST_HIDDEN = 4
"""Characters of the shortest secret that is looked for in texts. A shorter one would blot out ordinary words."""


def spellings(secrets: Collection[str]) -> tuple[str, ...]:
    """How these secrets may stand in texts, the longest first: as they are, in JSON, Python, HTML or addresses."""
    found = set()
    for secret in secrets:
        in_html = html.escape(secret)
        found |= {secret, *(line.strip() for line in secret.splitlines()), " ".join(secret.split())}
        found |= {html.unescape(secret), in_html, in_html.replace("&#x27;", "'"), in_html.replace("&#x27;", "&#39;")}
        found |= {repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        found |= {quote(secret), quote_plus(secret)}
    return tuple(sorted((text for text in found if len(text) >= SHORTEST_HIDDEN), key=len, reverse=True))


def without(text: str, spelled: Collection[str]) -> str:
    """A text in which dots replace secrets. `spelled`: their `spellings`."""
    for secret in spelled:
        text = text.replace(secret, MASK)
    return text


def without_in(value: Any, spelled: Collection[str]) -> Any:
    """`without` for all texts in a value that is made of lists and objects."""
    if isinstance(value, str):
        return without(value, spelled)
    if isinstance(value, Mapping):
        return {
            without(key, spelled) if isinstance(key, str) else key: without_in(one, spelled)
            for key, one in value.items()
        }
    return [without_in(one, spelled) for one in value] if isinstance(value, list | tuple) else value
