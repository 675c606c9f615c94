"""Fields of ours that few may read, where a request filters, groups or sorts by them.

Frappe 15 takes fields of a higher permission level out of its answers, not out of its conditions. Who may filter by a
field reads it letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import frappe
from frappe import _

from dartwing_core.jobs import config

from .request_texts import conditions, listed, texts

HIDDEN = {config.RUN: ("traceback", "worker", "rq_job_id", "connection_id"), config.LOG: ("worker",)}
"""Fields with a permission level, of the DocTypes that members read. A test compares this with the DocTypes."""
_NAMES = sorted({field for fields in HIDDEN.values() for field in fields})
_MAY_NAME = re.compile("|".join([*_NAMES, r"\\u"]), re.IGNORECASE)
_PLAIN = re.compile(rf"(`?tab[\w ]+`?\.)?`?({'|'.join(_NAMES)})`?", re.IGNORECASE)


def hidden_fields(path: tuple[str, ...], arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """DocTypes and fields of `HIDDEN` that a request names otherwise than to see them; Frappe takes those out."""
    values = [*path, *arguments, *arguments.values()]
    if not any(not isinstance(value, str) or _MAY_NAME.search(value) for value in values):
        return []
    shown = [one for one in listed(arguments.get("fields")) if not (isinstance(one, str) and _PLAIN.fullmatch(one))]
    asked = {**arguments, **conditions(arguments)}
    if listed(arguments.get("fields")):
        asked["fields"] = shown
    found = [*path, *texts(asked)]
    return [
        (doctype, field)
        for doctype, fields in HIDDEN.items()
        if _names(found, re.escape(doctype))
        for field in fields
        if _names(found, rf"\b{field}\b")
    ]


def refuse_hidden_fields(asked: list[tuple[str, str]]) -> None:
    """Raise frappe.PermissionError if the user may not read one of these fields."""
    for doctype, field in asked:
        meta = frappe.get_meta(doctype)
        if meta.get_field(field).permlevel not in meta.get_permlevel_access("read"):
            raise frappe.PermissionError(_("You may not read the field {0}, or ask by it.").format(_(field)))


def _names(found: list[str], pattern: str) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for text in found)
