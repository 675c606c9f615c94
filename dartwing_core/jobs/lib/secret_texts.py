"""Secrets in texts, such as errors and logs: dots in their place, however they are spelled or cut there."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from .secret_values import MASK

SHORTEST_LINE = 8
SHORTEST_HIDDEN = 4
"""Characters of the shortest secret that is looked for in texts. A shorter one would blot out ordinary words."""
_CUT = re.compile(r"(\.\.\.|…)")
"""Libraries write it in place of the middle or the rest of a long text."""


def spellings(secrets: Collection[str]) -> tuple[str, ...]:
    """How these secrets may stand in texts, the longest first: as they are, in JSON, in Python or in addresses."""
    found = set()
    for secret in secrets:
        lines = [line.strip() for line in secret.splitlines()]
        in_html = html.escape(secret)  # of Python; Frappe's and Jinja's escape quotes otherwise
        texts = {secret, secret.strip(), " ".join(secret.split()), html.unescape(secret), in_html}
        texts |= {in_html.replace("&#x27;", "&apos;"), in_html.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")}
        texts |= {line for line in lines if len(line) >= SHORTEST_LINE}
        texts |= {repr(secret)[1:-1], repr(secret.encode())[2:-1]}
        texts |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
        in_json = {json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
        texts |= in_json | {json.dumps(text)[1:-1] for text in in_json} | {repr(repr(secret)[1:-1])[1:-1]}
        found |= {text for text in texts if len(text) >= SHORTEST_HIDDEN}
    return tuple(sorted(found, key=len, reverse=True))


def without(text: str, spelled: Collection[str]) -> str:
    """A text in which dots replace secrets, and what libraries have left of a long one before and behind "...".

    `spelled`: their `spellings`.
    """
    for secret in spelled:
        text = text.replace(secret, MASK)
    parts = _CUT.split(text) if spelled else []
    for at in range(1, len(parts), 2):
        parts[at - 1] = parts[at - 1][: _start_of_beginning(parts[at - 1], spelled)]
        parts[at + 1] = parts[at + 1][_end_of_rest(parts[at + 1], spelled) :]
    return "".join(parts) or text


def _start_of_beginning(text: str, spelled: Collection[str]) -> int:
    """Where a secret's beginning starts that a text ends with. The text's length if there is none."""
    for secret in spelled:
        at = max(len(text) - len(secret), 0) - 1
        while (at := text.find(secret[:SHORTEST_HIDDEN], at + 1)) >= 0:
            if secret.startswith(text[at:]):
                return at
    return len(text)


def _end_of_rest(text: str, spelled: Collection[str]) -> int:
    """Where a secret's rest ends that a text begins with. 0 if there is none."""
    return len(text) - _start_of_beginning(text[::-1], [secret[::-1] for secret in spelled])


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
