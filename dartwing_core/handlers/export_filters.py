"""Checks filters of an export: forms and operators that mean the same in every Frappe version, on readable fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import frappe
from frappe import _
from frappe.utils.data import get_datetime, get_time, get_timespan_date_range

from dartwing_core.jobs import PermanentError
from dartwing_core.jobs.lib import due_times
from dartwing_core.jobs.lib.texts import cut

COMPARISONS = frozenset({"=", "!=", ">", "<", ">=", "<="})
LIKE = frozenset({"like", "not like"})
LISTS = frozenset({"in", "not in"})
TREE = frozenset(
    {"descendants of", "descendants of (inclusive)", "not descendants of", "ancestors of", "not ancestors of"}
)
OPERATORS = COMPARISONS | LIKE | LISTS | TREE | {"is", "between", "timespan"}
DATE_TYPES = frozenset({"Date", "Datetime"})


def read(doctype: str, given: Any, allowed: list[str]) -> list[list[Any]]:
    """Conditions [doctype, field, operator, value] for `frappe.get_list`, from a dict or list of filters.

    `allowed`: the fields that a filter may name. A filter on any other would tell its values. Raises PermanentError.
    """
    if given is None:
        return []
    if isinstance(given, Mapping):
        conditions = [[name, *_operator_and_value(value)] for name, value in given.items()]
    elif isinstance(given, list):
        conditions = [_condition(doctype, item) for item in given]
    else:
        raise PermanentError(_("{0} must be an object or a list.").format("filters"))
    checked = []
    for name, operator, value in conditions:
        check_field(doctype, name, allowed)
        if problem := _problem(doctype, name, operator, value):
            raise PermanentError(_("Filter on {0}: {1}").format(name, problem))
        checked += [[doctype, name, *part] for part in _portable(doctype, name, operator, value)]
    return checked


def check_field(doctype: str, name: Any, allowed: list[str]) -> None:
    """Raises PermanentError for a field that is missing or may not be read, in the same words."""
    if name not in allowed:
        raise PermanentError(_("{0} is no field of {1} that you may export.").format(cut(name), _(doctype)))


def _operator_and_value(value: Any) -> list[Any]:
    """Operator and value of `{"field": value}` or `{"field": [operator, value]}`."""
    if not isinstance(value, list):
        return ["=", value]
    return [str(value[0]).lower(), value[1]] if len(value) == 2 else [None, value]


def _condition(doctype: str, item: Any) -> list[Any]:
    """[field, operator, value], also from [doctype, field, operator, value] with or without a list view's flag."""
    parts = list(item) if isinstance(item, list) else []
    if len(parts) in (4, 5) and parts[0] == doctype:
        parts = parts[1:4]
    if len(parts) != 3 or not isinstance(parts[1], str):
        raise PermanentError(
            _("Each filter must be [field, operator, value] with a field of {0} itself.").format(_(doctype))
        )
    return [parts[0], parts[1].lower(), parts[2]]


def _problem(doctype: str, name: str, operator: Any, value: Any) -> str | None:
    """The error in a filter's operator or value, for people. None if there is none."""
    if operator not in OPERATORS:
        return _("Unknown operator {0}. Use one of: {1}.").format(cut(operator), ", ".join(sorted(OPERATORS)))
    if not _goes_with(operator, value):
        return _("The value does not fit the operator {0}.").format(operator)
    is_compared = value is not None and (operator in COMPARISONS or operator == "between")
    if is_compared and not _is_time(doctype, name, value):
        return _("{0} is not a date or time.").format(cut(value))
    if operator == "timespan" and not (_is_date(doctype, name) and get_timespan_date_range(value)):
        return _("timespan needs a date field, and a span like {0}.").format("last month")
    if operator in TREE and not _is_tree(doctype, name):
        return _("{0} needs a field that holds nodes of a tree.").format(operator)
    return None


def _goes_with(operator: str, value: Any) -> bool:
    if operator in ("=", "!="):
        return value is None or _is_scalar(value)
    if operator in COMPARISONS:
        return _is_scalar(value)
    if operator == "is":
        return value in ("set", "not set")
    if operator in LISTS or operator == "between":
        is_list = isinstance(value, list) and bool(value) and all(_is_scalar(item) for item in value)
        return is_list and (operator != "between" or len(value) == 2)
    return isinstance(value, str) and bool(value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _is_date(doctype: str, name: str) -> bool:
    df = frappe.get_meta(doctype).get_field(name)
    return df.fieldtype in DATE_TYPES if df else name in ("creation", "modified")


def _is_time(doctype: str, name: str, value: Any) -> bool:
    """Whether a value is a date or time, if its field is. True for other fields. Frappe 16 would compare any text."""
    df = frappe.get_meta(doctype).get_field(name)
    if not (_is_date(doctype, name) or (df and df.fieldtype == "Time")):
        return True
    convert = get_time if df and df.fieldtype == "Time" else get_datetime
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, str) and not due_times.is_readable(item) for item in items):
        return False
    try:
        return all(bool(item) and convert(item) is not None for item in items)
    except Exception:
        return False


def _is_tree(doctype: str, name: str) -> bool:
    df = frappe.get_meta(doctype).get_field(name)
    if df and df.fieldtype != "Link":
        return False
    return bool(frappe.get_meta(df.options if df else doctype).get("is_tree"))


def _portable(doctype: str, name: str, operator: str, value: Any) -> list[list[Any]]:
    """The condition as parts that mean the same in every Frappe version."""
    if value is None:
        return [["is", "set" if operator == "!=" else "not set"]]
    if operator == "between" and not _is_date(doctype, name):
        return [[">=", value[0]], ["<=", value[1]]]  # Frappe 15 treats every field of "between" as a date
    return [[operator, value]]
