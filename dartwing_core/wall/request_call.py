"""The call that a web request makes: the function or the route, and what it names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import frappe
from frappe import _
from frappe.core.doctype.server_script.server_script_utils import get_server_script_map
from frappe.modules.utils import load_doctype_module

from dartwing_core.jobs.errors import InvalidJobError

from . import by_request
from .request_texts import listed

DOCTYPE_KEYS = ("doctype", "dt")
NAME_KEYS = ("name", "docname", "dn", "doc_name", "docnames", "names", "old_name")
NAMES_IN_ITEMS = "delete_items"
"""For other functions `items` are DocTypes."""
MOST_NAMES = 1_000
LONGEST_FUNCTION_NAME = 200


@dataclass(frozen=True, slots=True)
class Call:
    """The call that a request makes. `function` is None for routes of documents and for pages."""

    command: str
    function: Callable[..., Any] | None
    arguments: Mapping[str, Any]
    path: tuple[str, ...]
    """The parts of the path after `/api/resource` and the like: DocType, name, …"""

    @property
    def doctypes(self) -> list[str]:
        """The texts in the places of DocTypes."""
        named = [self.arguments.get(key) for key in DOCTYPE_KEYS]
        return [*self.path[:1], *(value for value in named if isinstance(value, str))]

    @property
    def is_frappes(self) -> bool:
        """Whether Frappe itself answers: a route of documents, a page, or one of its functions."""
        if self.function is None:
            return not _is_script(self.command)
        return by_request.is_frappes(self.function.__module__ or "frappe")

    def names(self) -> set[str]:
        """The texts in the places of documents' names. Raises frappe.ValidationError for a value that is no text."""
        if self.path:
            return {"/".join(self.path[1:]).partition("/method/")[0].removesuffix("/copy")} - {""}
        found: set[str] = set()
        is_items = getattr(self.function, "__name__", "") == NAMES_IN_ITEMS
        for key in (*NAME_KEYS, *["items"] * is_items):
            value = self.arguments.get(key)
            many = listed(value) or [value]
            if len(many) > MOST_NAMES:
                raise InvalidJobError(_("{0}: at most {1} at once.").format(key, MOST_NAMES))
            if any(not isinstance(one, str | None) for one in many):
                raise frappe.ValidationError(_("{0} must be text.").format(key))
            found.update(one for one in many if one)
        return found


def of_request() -> Call:
    """The call that the current request makes."""
    request, arguments = frappe.local.request, frappe.local.form_dict
    parts = tuple(part for part in request.path.split("/") if part)
    if command := arguments.get("cmd"):
        return Call(str(command), find_function(str(command)), arguments, ())
    if parts[:1] != ("api",):
        return Call("", None, arguments, ())
    kind, *path = parts[2 if parts[1:2] in (("v1",), ("v2",)) else 1 :] or ("",)
    if kind == "method":
        if parts[1] == "v2":
            command = _in_doctype(*path) if len(path) == 2 else "/".join(path)
        else:
            command = path[0] if path else ""  # Frappe drops what follows
        return Call(command, find_function(command), arguments, ())
    return Call("", None, arguments, tuple(path[:1] if kind == "doctype" else path))


def _in_doctype(doctype: str, name: str) -> str:
    """The full name of a function in the module of a DocType."""
    try:
        return f"{load_doctype_module(doctype).__name__}.{name}"
    except Exception:  # there is no such DocType; Frappe says so next
        frappe.clear_last_message()
        return f"{doctype}/{name}"


def find_function(command: str) -> Callable[..., Any] | None:
    """The function of an installed app that Frappe calls by this name."""
    if len(command) > LONGEST_FUNCTION_NAME:  # each dot costs an import
        return None
    try:
        if "." not in command:
            found = getattr(frappe.get_module("frappe.handler"), command)
        elif by_request.is_frappes(command) or command.partition(".")[0] in frappe.get_installed_apps():
            found = frappe.get_attr(command)
        else:
            return None
    except Exception:
        return None
    return found if inspect.isfunction(found) else None


def _is_script(command: str) -> bool:
    """Whether Frappe runs a Server Script of the site by this name. Its arguments are its own."""
    return bool(command) and command in get_server_script_map().get("_api", {})
