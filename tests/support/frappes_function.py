"""Statements as a function of Frappe's issues them."""

from __future__ import annotations

from typing import Any

import frappe


def asked_by_frappe(statement: str, values: Any = (), module: str = "frappe.desk.made_up") -> Any:
    """What a function of Frappe's gets that asks this; `module`: the one in which it is defined."""
    names: dict[str, Any] = {"__name__": module, "frappe": frappe}
    exec("def ask(*given):\n    return frappe.db.sql(*given)", names)
    return names["ask"](statement, values)
