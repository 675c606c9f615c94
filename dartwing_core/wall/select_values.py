"""Strips the values of Select fields before anything compares them.

Frappe strips them behind the controller's own checks. So "No " passed for a report that is neither standard nor of the
user's own, and a report manager stored any SQL to run. (15, 16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from frappe.model.document import Document

from . import by_request, wrapping


def _strip(row: Any) -> None:
    """Strip the values of this row's Select fields. Few texts have a blank at an end, so those are looked at first."""
    for name, value in [*vars(row).items()]:
        if isinstance(value, str) and (value[:1].isspace() or value[-1:].isspace()):
            field = row.meta.get_field(name)
            if field is not None and field.fieldtype == "Select":
                row.set(name, value.strip())


def _stripped(validate: Callable[..., Any]) -> Callable[..., Any]:
    """`_validate_links`: the first check of a save, in front of all hooks."""

    @functools.wraps(validate)
    def checked(self: Document, *arguments: Any, **named: Any) -> Any:
        if by_request.is_by_request():
            for row in (self, *self.get_all_children()):
                _strip(row)
        return validate(self, *arguments, **named)

    return checked


wrapping.replace(Document, "_validate_links", _stripped, has_flag_of_request=True)
