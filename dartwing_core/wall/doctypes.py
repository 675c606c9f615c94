"""Finds which of our DocTypes, or of Frappe's with rows about ours, a text means, by the database's comparison.

MariaDB takes many spellings for one name: other cases, invisible marks, control characters, combining letters. Frappe
looks a DocType up by the text that was sent, and so finds ours. Plain ASCII is compared here. For other texts the
database itself compares, as it will in Frappe's queries.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import frappe

from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES

QUEUE_DOCTYPES = ("RQ Job", "RQ Worker")
PLAIN = re.compile(r"[A-Za-z0-9 _-]*")
DELETED = "Deleted Document"
PERSONAL = frozenset(
    (
        *("Notification Log", "List Filter", "Number Card", "Dashboard Chart", "Auto Email Report", "Prepared Report"),
        "Kanban Board",
    )
)
"""Frappe's personal rows, which may be about our DocTypes (`personal_rows`)."""
ROW_DOCTYPES = frozenset({*REFERENCES, *PERSONAL, DELETED})
"""Frappe's DocTypes with rows about documents of ours, or about our DocTypes."""
LONGEST_KEPT = 140
"""Answers for longer texts are not cached. No DocType has a longer name; the database ignores padding."""
LONGEST = 10_000
"""Characters that the database is asked about."""
_KNOWN = {doctype.upper(): doctype for doctype in (*TENANT_DOCTYPES, *QUEUE_DOCTYPES, *ROW_DOCTYPES)}


def tenant_doctype(text: Any) -> str | None:
    """The one of TENANT_DOCTYPES that a text means, in any spelling. None for other texts."""
    found = _meant(text)
    return found if found in TENANT_DOCTYPES else None


def queue_doctype(text: Any) -> str | None:
    """The one of QUEUE_DOCTYPES that a text means, in any spelling. None for other texts."""
    found = _meant(text)
    return found if found in QUEUE_DOCTYPES else None


def row_doctype(text: Any) -> str | None:
    """The one of ROW_DOCTYPES that a text means, in any spelling. None for other texts."""
    found = _meant(text)
    return found if found in ROW_DOCTYPES else None


def guarded_doctype(text: Any) -> str | None:
    """The one of TENANT_DOCTYPES or ROW_DOCTYPES that a text means, in any spelling. None for other texts."""
    found = _meant(text)
    return None if found in QUEUE_DOCTYPES else found


def _meant(text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    if PLAIN.fullmatch(text):
        return _KNOWN.get(text.rstrip(" ").upper())
    if len(text) > LONGEST:  # no DocType has such a name, also without the blanks at its end
        text = text.rstrip()[:LONGEST]
    ask = _kept if len(text) <= LONGEST_KEPT else _stored
    return ask(frappe.local.site, text)


def _stored(_site: str, text: str) -> str | None:
    doctype = frappe.qb.DocType("DocType")
    ours = doctype.name.isin([*_KNOWN.values()])
    try:
        found = frappe.qb.from_(doctype).select(doctype.name).where(ours & (doctype.name == text)).run()
    except UnicodeEncodeError:  # half a character, which no driver sends. Frappe finds no row either
        return None
    return found[0][0] if found else None


_kept = functools.lru_cache(maxsize=1_000)(_stored)
