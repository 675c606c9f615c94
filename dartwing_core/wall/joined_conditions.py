"""Joins the conditions of several hooks so that each of them holds.

Frappe 15 joins them by `and`, as they are. One with an `or` in it, such as Frappe's own for File and Number Card, lets
rows pass by all others. Later versions put each in parentheses. (15)
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

import frappe

OR = re.compile(r"\b(or|xor)\b|\|\|", re.IGNORECASE)
"""An operator that binds less than the `and` by which conditions are joined."""
HOOK, OWN = "permission_query_conditions", "dartwing_core."


def in_parentheses(get_conditions: Callable[[Any], str]) -> Callable[[Any], str]:
    """`DatabaseQuery.get_permission_query_conditions` of Frappe 15, with parentheses where one of ours is joined."""
    from frappe.core.doctype.server_script.server_script_utils import get_server_script_map

    @functools.wraps(get_conditions)
    def checked(self: Any) -> str:
        hooks = frappe.get_hooks(HOOK, {})
        methods = [*hooks.get(self.doctype, []), *hooks.get("*", [])]
        if not any(method.startswith(OWN) for method in methods):
            return get_conditions(self)
        found = [frappe.call(frappe.get_attr(method), self.user, doctype=self.doctype) for method in methods]
        if script := get_server_script_map().get("permission_query", {}).get(self.doctype):
            found.append(frappe.get_doc("Server Script", script).get_permission_query_conditions(self.user))
        return joined(found)

    return checked


def joined(found: Iterable[str | None]) -> str:
    """The conditions as one. A single one without an `or` stays as it is: Frappe joins it with its own unchanged."""
    conditions = [condition for condition in found if condition]
    if len(conditions) == 1 and not OR.search(conditions[0]):
        return conditions[0]
    return " and ".join(f"({condition})" for condition in conditions)
