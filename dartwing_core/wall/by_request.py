"""Tells whether one of Frappe's own functions runs, with what a user has sent. Code of apps may do anything."""

from __future__ import annotations

import frappe

FLAG = "dartwing_links_by_frappe"
"""In `frappe.flags`: whether one of Frappe's own functions runs. Those take links from any caller."""


def watch(by_frappe: bool) -> None:
    """From here on, check the links of saved documents. `by_frappe`: also of those saved with ignore_permissions."""
    frappe.flags[FLAG] = by_frappe


def is_by_request() -> bool:
    """Whether one of Frappe's own functions runs, in a request or a background job."""
    return bool(frappe.flags.get(FLAG))


def is_frappes(path: str) -> bool:
    """Whether the dotted path of a module or function is Frappe's own."""
    root = frappe.get_module("frappe.handler").__name__.partition(".")[0]
    return path.partition(".")[0] in ("frappe", root)
