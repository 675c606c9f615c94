"""Arguments of lists: filters, dates, bounds and orders, as callers of Python and REST spell them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from frappe import _
from frappe.utils import get_datetime
from pypika import Order
from pypika.queries import Table
from pypika.terms import Criterion

from ..errors import InvalidJobError
from ..lib import clock, due_times
from ..lib.texts import cut

BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
SORTABLE = ("creation", "modified", "status", "priority", "available_at", "started_at", "completed_at")


def organization_filter(organization: Any) -> str | None:
    """The filter, None if there is none. Raises InvalidJobError if it is no text."""
    if organization and not isinstance(organization, str):
        raise InvalidJobError(_("{0} must be text.").format("organization"))
    return organization or None


def narrowed(condition: Criterion, job: Table, **filters: Any) -> Criterion:
    """`condition`, narrowed to these fields' values. Ignores empty ones. Raises InvalidJobError if one is no text."""
    for field, value in filters.items():
        if value and not isinstance(value, str):
            raise InvalidJobError(_("{0} must be text.").format(field))
        if value:
            condition &= job[field] == value
    return condition


def check_choice(argument: str, value: Any, choices: Sequence[str]) -> None:
    """Raise InvalidJobError for a given value that is not among the choices."""
    if value and (not isinstance(value, str) or value not in choices):
        raise InvalidJobError(_("Unknown {0}: {1}. Use one of: {2}.").format(argument, cut(value), ", ".join(choices)))


def bounded(value: Any, lowest: int, highest: int, argument: str) -> int:
    """The value as an integer, cut to the bounds. Raises InvalidJobError if it is no whole number."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidJobError(_("{0} must be a whole number.").format(argument)) from None
    return min(max(number, lowest), highest)


def boolean(value: Any, argument: str) -> bool:
    """A boolean, as JSON, forms or the addresses of requests spell it."""
    text = str(value).strip().lower()
    if text not in BOOLEANS:
        raise InvalidJobError(_("{0} must be true or false.").format(argument))
    return BOOLEANS[text]


def date_of(value: Any, argument: str) -> datetime:
    """A moment in the site's time. Raises InvalidJobError if the value is no date."""
    try:
        is_date = not isinstance(value, str) or due_times.is_readable(value)
        moment = get_datetime(value) if is_date else None
        if moment is not None and moment.tzinfo:
            moment = clock.site_time(moment.timestamp())
    except Exception:
        moment = None
    if moment is None:
        raise InvalidJobError(_("{0} is no date: {1}.").format(argument, cut(value)))
    return moment


def order_of(order_by: str) -> tuple[str, Order]:
    """Column and direction of an order such as "creation desc". Raises InvalidJobError for another column."""
    column, _space, direction = str(order_by or "creation desc").strip().lower().partition(" ")
    if column not in SORTABLE or direction.strip() not in ("", "asc", "desc"):
        raise InvalidJobError(_("order_by must be one of: {0}; with asc or desc.").format(", ".join(SORTABLE)))
    return column, Order.desc if direction.strip() == "desc" else Order.asc
