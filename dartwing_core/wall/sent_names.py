"""Requires text or an integer for the name of a document, and for the value of a link.

Frappe accepts filters in place of a name. It looks up the first row that they match before it checks a permission, and
its answer tells whether there is one. For a number with a fraction, it takes the first row of all. So anybody, even
guests, could read any column of any table letter by letter: names of files of jobs, but also tokens and keys of other
users. Two rules apply to Frappe's own functions, for people who do not see everything. Filters that Frappe itself
writes pass. (15, 16)

- No document is made from, or changed by, data with filters for its name or in a field that holds a name.
- No row is looked up by filters that were sent in place of a name, by a comparison (`["like", "a%"]`) that was sent in
  place of a value in a filter, or by a number with a fraction. Arguments of Frappe's background jobs count as sent.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator, Mapping
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
"""In `frappe.flags`: all objects and lists in arguments that are not for filters, frozen. Filled at the first use."""
NAMES = frozenset({"name", "parent"})
HOLD_NAMES = frozenset({"Link", "Dynamic Link", "Data"})
"""Types of fields that may hold a name, and only text."""
FILTERS = "filters"
"""The argument in which Frappe's functions are documented to take filters."""


def remember(arguments: Mapping[str, Any]) -> None:
    """Keep the arguments of a request or background job: some of Frappe's functions take theirs apart."""
    frappe.flags[SENT] = dict(arguments)
    frappe.flags.pop(INNER, None)


def refuse(field: str, value: Any) -> None:
    """Raises frappe.ValidationError for a value that is no name: filters, or a number with a fraction."""
    if (is_filter(value) or isinstance(value, float)) and not visibility.sees_everything(frappe.session.user):
        raise frappe.ValidationError(_("{0} must be text.").format(field))


def is_filter(value: Any) -> bool:
    """Whether Frappe would take this value for filters."""
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
    """Frappe uses this function to load documents, and to look up rows and single values, but not for lists."""

    @functools.wraps(get_values)
    def checked(self, doctype, filters=None, *arguments, **named):
        if frappe.flags.get(links.FLAG) and _is_wrong(filters):
            refuse("name", filters)
        return get_values(self, doctype, filters, *arguments, **named)

    return checked


def _is_wrong(filters: Any) -> bool:
    return isinstance(filters, float) or (is_filter(filters) and _was_sent(filters))


def _was_sent(filters: Any) -> bool:
    """Whether these filters, or a comparison in them, were sent in an argument that is not for filters."""
    if not (sent := _sent()):
        return False
    values = filters.values() if isinstance(filters, Mapping) else filters
    return any(_frozen(one) in sent for one in (filters, *(value for value in values if value and is_filter(value))))


def _sent() -> set[Any]:
    if INNER not in frappe.flags:
        arguments = frappe.flags.get(SENT, {})
        found = (inner for key, value in arguments.items() if key != FILTERS for inner in _within(value))
        frappe.flags[INNER] = {_frozen(inner) for inner in found}
    return frappe.flags[INNER]


def _frozen(value: Any) -> Any:
    """A value that is equal for equal values, and hashable. Comparing each with each would take seconds."""
    if isinstance(value, Mapping):
        return "object", frozenset((key, _frozen(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(map(_frozen, value))
    return value if isinstance(value, Hashable) else repr(value)


def _within(value: Any) -> Iterator[Any]:
    """All objects and lists in a value, also within JSON text."""
    inner = parsed(value)
    if isinstance(inner, Mapping | list):
        yield inner
        for one in inner.values() if isinstance(inner, Mapping) else inner:
            yield from _within(one)


BaseDocument.update = _with_checked_names(BaseDocument.update)
_Database: Any = frappe.get_module("frappe.database.database").Database
_Database.get_values = _with_checked_filters(_Database.get_values)
