"""Which of our DocTypes a text means."""

from __future__ import annotations

import unicodedata
from typing import Any

from dartwing_core.jobs.desk_access import TENANT_DOCTYPES

LONGEST_NAME = 300
QUEUE_DOCTYPES = ("RQ Job", "RQ Worker")


def tenant_doctype(text: Any) -> str | None:
    """The one of TENANT_DOCTYPES that a text means, in whatever case or form of letters."""
    return _BY_PLAIN.get(plain(text)) if isinstance(text, str) and len(text) < LONGEST_NAME else None


def queue_doctype(text: Any) -> str | None:
    """The same of QUEUE_DOCTYPES."""
    return _QUEUES.get(plain(text)) if isinstance(text, str) and len(text) < LONGEST_NAME else None


def plain(text: str) -> str:
    """Text without case, accents, forms of a letter, and invisible marks."""
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in letters if unicodedata.category(letter) not in ("Mn", "Cf", "Cc"))
    return text.strip().upper()


_BY_PLAIN = {plain(doctype): doctype for doctype in TENANT_DOCTYPES}
_QUEUES = {plain(doctype): doctype for doctype in QUEUE_DOCTYPES}
