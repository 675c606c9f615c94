"""Shared by the substitutes: the decorator that replaces a function, checks of documents, and readers of arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import frappe
from frappe import _

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES, throw_missing
from dartwing_core.jobs.errors import InvalidJobError

from .. import further_rows, sent_names
from ..doctypes import tenant_doctype
from ..mentions import meta_of, naming_ours

MOST_NAMES = 500

REPLACED: set[Callable[..., Any]] = set()
"""Frappe's functions that have a substitute here."""


def instead_of(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: whitelist a function as the original's substitute, for the original's verbs.

    The function gets the original's arguments as one dict, by name.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)
        REPLACED.add(original)

        @functools.wraps(original)
        def call(*arguments: Any, **named: Any) -> Any:
            try:
                given = dict(signature.bind(*arguments, **named).arguments)
            except TypeError:
                return original(*arguments, **named)  # raises the error for a missing argument
            for parameter in signature.parameters.values():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    given.update(given.pop(parameter.name, {}))
            return function(given)

        return frappe.whitelist(methods=frappe.allowed_http_methods_for_whitelisted_func[original])(call)

    return decorate


def rows_naming_ours(doctype: Any) -> list[str]:
    """The names of all rows of a DocType that name one of ours."""
    ours = naming_ours(doctype, table := frappe.qb.DocType(doctype))
    return frappe.qb.from_(table).select(table.name).where(ours).run(pluck=True) if ours else []


def is_ours(doctype: Any) -> bool:
    """Whether a text means one of our DocTypes, in any spelling."""
    return tenant_doctype(doctype) is not None


def sees_everything() -> bool:
    """Whether the current user sees the documents of all organizations."""
    return visibility.sees_everything(frappe.session.user)


def is_hidden(doctype: Any, name: Any) -> bool:
    """Whether this is a document of ours that the user would not find in its list, or a row about such a one."""
    if isinstance(name, str):
        hidden = further_rows.hidden_rows(doctype, [name])
        if hidden is not None:
            return name in hidden
    is_asked = doctype in TENANT_DOCTYPES and isinstance(name, str)
    return is_ours(doctype) and not (is_asked and frappe.get_list(doctype, filters={"name": name}, limit=1))


def check(doctype: Any, name: Any) -> None:
    """Raise for a document of ours that the user does not see, and for a DocType that is no text."""
    _check_text(doctype)
    if name and is_hidden(doctype, name):
        throw_missing(doctype, name)


def check_mark(doctype: Any, *names: Any) -> None:
    """Raise if these documents can't be tagged or liked by the user."""
    if isinstance(doctype, str) and doctype in ENGINE_DOCTYPES:
        frappe.throw(_("Background jobs can't be tagged or liked."), frappe.PermissionError)
    _check_text(doctype)
    if sees_everything():
        return
    meta = meta_of(doctype)
    if any(sent_names.is_no_name_of(meta, name) if meta else sent_names.is_no_name(name) for name in names):
        raise frappe.ValidationError(_("The name of a document must be text."))
    for name in further_rows.hidden_rows(doctype, names) or ():
        throw_missing(doctype, name)
    if not is_ours(doctype):
        return
    if len(names) > MOST_NAMES:
        raise InvalidJobError(_("At most {0} names at once.").format(MOST_NAMES))
    for name in names:
        check(doctype, name)


def _check_text(doctype: Any) -> None:
    if isinstance(doctype, list | dict):
        raise frappe.ValidationError(_("{0} must be text.").format(_("DocType")))


def are_names(fields: Iterable[Any]) -> bool:
    """Whether each of these is a plain name of a field, or not given."""
    return all(str(field or "x").isidentifier() for field in fields)


def parsed(given: dict[str, Any], name: str) -> Any:
    """The argument, read from JSON. Raises ValidationError if it is not valid JSON."""
    try:
        return frappe.parse_json(given.get(name))
    except (ValueError, RecursionError):
        raise frappe.ValidationError(_("{0} is not valid JSON.").format(name)) from None


def dict_of(given: dict[str, Any], name: str) -> dict[str, Any]:
    """The argument as a dict, empty if not given. Raises ValidationError if it is no JSON object."""
    value = parsed(given, name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise frappe.ValidationError(_("{0} must be an object.").format(name))
    return value


def text_of(given: dict[str, Any], name: str) -> str:
    """The argument as text. Raises ValidationError if it is no text."""
    if not isinstance(given.get(name), str):
        raise frappe.ValidationError(_("{0} must be text.").format(name))
    return given[name]
