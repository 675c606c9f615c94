"""Requires text or an integer for the name of a document, and for the value of a link.

Frappe accepts filters in place of a name. It looks up the first row that they match before it checks a permission, and
its answer tells whether there is one. For a number with a fraction, it takes the first row of all. So anybody, even
guests, could read any column of any table letter by letter: names of files of jobs, but also tokens and keys of other
users. Two rules apply to Frappe's own functions, for people who do not see everything. Filters that Frappe itself
writes pass, and so do those that scripts and apps take from a request. (15, 16)

- No document is made from, or changed by, data with filters for its name or in a field that holds a name.
- No row is looked up by filters that were sent in place of a name, by a comparison (`["like", "a%"]`) that was sent in
  place of a value in a filter, or by a number with a fraction. Arguments of Frappe's background jobs count as sent.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import frappe
from frappe import _
from frappe.model.base_document import BaseDocument

from dartwing_core.jobs.access import visibility

from . import by_request, callers, wrapping
from .request_texts import parsed

if TYPE_CHECKING:
    from frappe.database.database import Database

Update: TypeAlias = Callable[[BaseDocument, Mapping[str, Any]], BaseDocument]

SENT = "dartwing_sent"
"""In `frappe.flags`: the arguments of the request."""
INNER = "dartwing_sent_inner"
"""In `frappe.flags`: what was sent in arguments that are not for filters. Filled at the first use."""
OWN = ("dartwing_core.",)
"""This app looks up nothing of its own by what was sent, so it acts for its callers."""
NOT_SENT = -1
MOST = 100_000
"""Objects and lists in a request, and texts that may hold such. An honest one stays far below this number."""
MOST_VALUES = 1_000_000
PLAIN = frozenset({int, float, bool, type(None)})
JSON_STARTS = ("{", "[", '"', " ", "\t", "\n", "\r")
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


def is_no_name(value: Any) -> bool:
    """Whether this is the name of no row: filters, a truth value, a fraction, or 0.

    For 0 and False the database takes each text that begins with no digit.
    """
    return is_filter(value) or isinstance(value, bool | float) or value == 0


def is_no_name_of(meta: Any, value: Any) -> bool:
    """Whether this is the name of no row of a DocType. Only some number their rows: elsewhere 7 leads to "7ab" too."""
    return is_no_name(value) or (isinstance(value, int) and meta.autoname != "autoincrement")


def _with_checked_names(update: Update) -> Update:
    @functools.wraps(update)
    def checked(self: BaseDocument, d: Mapping[str, Any]) -> BaseDocument:
        if by_request.is_by_request():
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


def _with_checked_filters(get_values: Callable[..., Any]) -> Callable[..., Any]:
    """Frappe uses this function to load documents, and to look up rows and single values, but not for lists."""

    @functools.wraps(get_values)
    def checked(self: Database, doctype: Any, filters: Any = None, *arguments: Any, **named: Any) -> Any:
        if by_request.is_by_request() and _is_wrong(filters) and callers.frappe_asks(callers.BUILDERS, OWN):
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
    return any(sent.has(one) for one in (filters, *(value for value in values if value and is_filter(value))))


def _sent() -> Sent:
    if INNER not in frappe.flags:
        sent = frappe.flags[INNER] = Sent()
        for key, value in frappe.flags.get(SENT, {}).items():
            if key != FILTERS:
                sent.add(value)
    return frappe.flags[INNER]


class Sent:
    """The objects and lists that were sent, also within others. Equal ones have one number.

    Each value is looked at once: comparing each with each would take seconds.
    """

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self._left, self._values_left = MOST, MOST_VALUES
        self._is_counting = False

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def add(self, value: Any) -> None:
        """Add an argument. Raises frappe.ValidationError for more values than an honest request has."""
        self._is_counting = True
        self._number(value, lambda shape: self._numbers.setdefault(shape, len(self._numbers)))

    def has(self, value: Any) -> bool:
        """Whether this object or list was sent."""
        self._is_counting = False
        return self._number(value, lambda shape: self._numbers.get(shape, NOT_SENT)) != ("sent", NOT_SENT)

    def _number(self, value: Any, number_of: Callable[[Any], int]) -> Any:
        """The number of an object or list, by the numbers of what is in it; other values as they are."""
        try:
            return self._number_within(value, number_of)
        except RecursionError:
            raise frappe.ValidationError(_("The request is nested too deeply.")) from None

    def _number_within(self, value: Any, number_of: Callable[[Any], int]) -> Any:
        if self._is_counting and (isinstance(value, Mapping | list) or str(value)[:1] in JSON_STARTS):
            self._left -= 1
        if self._left < 0:
            raise frappe.ValidationError(_("The request holds too many objects and lists."))
        inner = parsed(value)
        if not isinstance(inner, Mapping | list | tuple):
            return inner if isinstance(inner, Hashable) else repr(inner)
        self._values_left -= len(inner) if self._is_counting else 0
        if self._values_left < 0:
            raise frappe.ValidationError(_("The request holds too many values."))
        values = inner.values() if isinstance(inner, Mapping) else inner
        numbers = [one if _is_plain(one) else self._number_within(one, number_of) for one in values]
        if isinstance(inner, Mapping):
            shape: Any = frozenset(zip(inner, numbers, strict=True))
        else:
            shape = (type(inner).__name__, *numbers)
        return "sent", number_of(shape)


def _is_plain(value: Any) -> bool:
    """Whether a value holds no others, also not as JSON."""
    kind = type(value)
    return (kind is str and not value.startswith(JSON_STARTS)) or kind in PLAIN


wrapping.replace(BaseDocument, "update", _with_checked_names, has_flag_of_request=True)
_Database: Any = frappe.get_module("frappe.database.database").Database
wrapping.replace(_Database, "get_values", _with_checked_filters, has_flag_of_request=True)
