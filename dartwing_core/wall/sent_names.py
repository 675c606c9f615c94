"""The name of a document, and what stands in a link, is text or an integer, however it was sent.

Frappe takes filters for it as well: it looks up the first row that they match before it asks for permission, and tells
by its answer whether there is one. A number with a fraction it passes over, and takes the first row of all. So anybody,
guests too, could read any column of any table letter by letter: the names of files of jobs, but also tokens and keys of
other users. Two rules, for Frappe's own functions and people who do not see everything; filters that Frappe writes
itself go on. (15, 16)

- No document is made of, or changed by, data with filters for its name or in a field that holds a name.
- No row is looked up by filters that were sent in place of a name, nor by a comparison (`["like", "a%"]`) that was sent
  in place of a value in a filter, nor by a number with a fraction. What was sent to a function that Frappe runs in the
  background counts as well.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import frappe
from frappe import _
from frappe.model.base_document import BaseDocument

from dartwing_core.jobs.access import visibility

from . import links
from .request_texts import parsed

SENT = "dartwing_sent"
"""In `frappe.flags`: the arguments of the request."""
INNER = "dartwing_sent_inner"
"""The same: all objects and lists in those that are not for filters; read when it is first asked."""
MOST_COMPARED = 100_000
"""Comparing takes time; no request that means well comes near."""
NAMES = frozenset({"name", "parent"})
HOLD_NAMES = frozenset({"Link", "Dynamic Link", "Data"})
"""Kinds of fields that may hold a name, and nothing but text."""
FILTERS = "filters"
"""The argument in which Frappe's functions take filters by their documentation."""


def remember(arguments: Mapping[str, Any]) -> None:
    """Keep what was sent, or handed to a background job: some of Frappe's functions take their arguments apart."""
    frappe.flags[SENT] = dict(arguments)
    frappe.flags.pop(INNER, None)


def refuse(field: str, value: Any) -> None:
    """Raises frappe.ValidationError for what is no name: filters, or a number with a fraction."""
    if (is_filter(value) or isinstance(value, float)) and not visibility.sees_everything(frappe.session.user):
        raise frappe.ValidationError(_("{0} must be text.").format(field))


def is_filter(value: Any) -> bool:
    """Whether Frappe would take it for filters."""
    return isinstance(value, dict | list | tuple)


def _with_checked_names(update):
    @functools.wraps(update)
    def checked(self, d):
        if frappe.flags.get(links.FLAG):
            for field, value in d.items():
                if is_filter(value) and _holds_name(self, field):
                    refuse(field, value)
        return update(self, d)

    return checked


def _holds_name(document: BaseDocument, field: str) -> bool:
    if field in NAMES or not getattr(document, "doctype", None):
        return field in NAMES
    found = document.meta.get_field(field)
    return found is not None and found.fieldtype in HOLD_NAMES


def _with_checked_filters(get_values):
    """Documents are loaded by it, rows and single values looked up; lists are not."""

    @functools.wraps(get_values)
    def checked(self, doctype, filters=None, *arguments, **named):
        if frappe.flags.get(links.FLAG) and _is_wrong(filters):
            refuse("name", filters)
        return get_values(self, doctype, filters, *arguments, **named)

    return checked


def _is_wrong(filters: Any) -> bool:
    return isinstance(filters, float) or (is_filter(filters) and _was_sent(filters))


def _was_sent(filters: Any) -> bool:
    """Whether the filters, or a comparison in there, stood in an argument that is not for filters."""
    if not (sent := _sent()):
        return False
    values = filters.values() if isinstance(filters, Mapping) else filters
    asked = [filters, *(value for value in values if value and is_filter(value))]
    return len(asked) * len(sent) > MOST_COMPARED or any(one in sent for one in asked)


def _sent() -> list[Any]:
    if INNER not in frappe.flags:
        arguments = frappe.flags.get(SENT, {})
        frappe.flags[INNER] = [inner for key, value in arguments.items() if key != FILTERS for inner in _within(value)]
    return frappe.flags[INNER]


def _within(value: Any) -> Iterator[Any]:
    """All objects and lists in a value, those in JSON text too."""
    inner = parsed(value)
    if isinstance(inner, Mapping | list):
        yield inner
        for one in inner.values() if isinstance(inner, Mapping) else inner:
            yield from _within(one)


BaseDocument.update = _with_checked_names(BaseDocument.update)
_Database: Any = frappe.get_module("frappe.database.database").Database
_Database.get_values = _with_checked_filters(_Database.get_values)
