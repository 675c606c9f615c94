"""Asks, before Frappe does anything for a request, whether its user may see the documents of ours that it names.

Frappe's own functions ask for permission late, differently or not at all, and tell by what they answer whether a
document exists. So a request that names a job, an attempt, a log row, an organization or a member that its user may
not see ends here, as one that names none. Functions of other apps are their own business: they load documents, which
`desk_access.load_visible` guards, or ask `frappe.has_permission`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import frappe
from frappe import _

from dartwing_core.jobs import access, config, references
from dartwing_core.jobs.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES, throw_missing

from . import asked
from .asked import Call, Named

QUEUE_DOCTYPES = {"RQ JOB": "RQ Job", "RQ WORKER": "RQ Worker"}
"""Frappe lists them, with the arguments of all jobs, to everybody who is logged in."""
QUERY_KEYS = ("fields", "filters", "or_filters", "order_by", "group_by", "field", "fieldname", "sort_field", "stats")
# Frappe hides fields of a higher level in its answers, but filters and sorts by them.
ADMINS_FIELD = re.compile(r"\btraceback\b", re.IGNORECASE)
TITLE = re.compile(r"\w+\.org_name( as \w+)?")
"""Desk asks for the titles of links with every list. The link itself tells as much."""
RUN_TABLE = re.compile(re.escape(config.RUN), re.IGNORECASE)
FUNCTION_NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)+")
ANSWER_THEMSELVES = frozenset({"validate_link", "validate_link_and_fetch", "get_link_title"})
"""Say of what is not there, and so of what may not be seen, that it is not there; as does `getdoc` of jobs."""
PAGES_OF_DESK = ("/app", "/desk", "/assets", "/files", "/private", "/login")


def check_request() -> None:
    """Hook (`auth_hooks`): refuse what the user may not ask for. Raises Frappe's errors, each from one line."""
    is_page = frappe.local.request.path.startswith(PAGES_OF_DESK) and "cmd" not in frappe.local.form_dict
    if frappe.local.request.method == "OPTIONS" or is_page:
        return
    try:
        _check(asked.of_request())
    except RecursionError:
        raise frappe.ValidationError(_("The request is nested too deeply.")) from None


def _check(call: Call) -> None:
    if not _is_frappes(call):
        return
    _check_function(call)
    texts, named = list(call.texts()), list(call.names())
    doctypes = {text: doctype for text in call.doctypes() if (doctype := _doctype(text))}
    asks_for_traceback = any(map(ADMINS_FIELD.search, texts)) and any(map(RUN_TABLE.search, texts))
    joins_ours = _joins_ours(call)
    if not (named or doctypes or asks_for_traceback or joins_ours):
        return
    _let_others_authenticate()
    if access.viewer().sees_everything or _is_refused_anyway():
        return
    _check_doctypes(doctypes)
    if asks_for_traceback and "traceback" not in _permitted_fields(config.RUN):
        raise frappe.PermissionError(_("Tracebacks are for administrators."))
    if joins_ours:
        raise frappe.PermissionError(_("Fields of background jobs can't be read through a link."))
    _check_names(call, named)


def _is_frappes(call: Call) -> bool:
    """Whether Frappe itself answers: a route of documents, a page, or one of its functions."""
    if not call.command:
        return True
    root = frappe.get_module("frappe.handler").__name__.partition(".")[0]
    module = getattr(call.function, "__module__", None) or ""
    return call.function is None or module.partition(".")[0] in ("frappe", root)


def _check_function(call: Call) -> None:
    """A function that has a substitute of ours is called by the one name that leads there."""
    from .frappe_methods import REPLACED

    is_past_ours = call.function in REPLACED and not _is_overridden(call.command)
    # Some functions call another one, named by an argument.
    names = [value for value in call.arguments.values() if isinstance(value, str) and FUNCTION_NAME.fullmatch(value)]
    if is_past_ours or any(asked.function(name) in REPLACED for name in names if name != call.command):
        raise frappe.PermissionError(_("Call this function by its own name."))


def _is_overridden(command: str) -> bool:
    return command.startswith("dartwing_core.") or command in frappe.get_hooks("override_whitelisted_methods", {})


def _let_others_authenticate() -> None:
    """Apps that are installed later may know the user; Frappe asks them after us."""
    if frappe.session.user != "Guest":
        return
    hooks = frappe.get_hooks("auth_hooks", [])
    for path in hooks[hooks.index(f"{__name__}.check_request") + 1 :]:
        frappe.get_attr(path)()


def _is_refused_anyway() -> bool:
    """Whether Frappe answers 401 next, to a wrong key."""
    return frappe.session.user == "Guest" and len((frappe.get_request_header("Authorization") or "").split(" ")) == 2


def _doctype(text: str) -> str | None:
    return asked.tenant_doctype(text) or QUEUE_DOCTYPES.get(asked.plain(text) if len(text) < asked.LONGEST_NAME else "")


def _check_doctypes(doctypes: Mapping[str, str]) -> None:
    """By no other spelling, for which no hook is asked; what RQ holds, for those alone who have a role for it."""
    for text, doctype in doctypes.items():
        if text != doctype:
            throw_missing("DocType", text)
        if doctype in QUEUE_DOCTYPES.values():
            frappe.has_permission(doctype, throw=True)


def _meta(doctype: Any):
    """That of a DocType, if there is one."""
    if not isinstance(doctype, str) or not asked.is_text(doctype):
        return None
    try:
        return frappe.get_meta(doctype)
    except Exception:  # says no more than that there is none
        frappe.clear_last_message()
        return None


def _permitted_fields(doctype: str) -> list[str]:
    meta = frappe.get_meta(doctype)
    levels = meta.get_permlevel_access("read")
    return [field.fieldname for field in meta.fields if field.permlevel in levels]


def _joins_ours(call: Call) -> bool:
    """Whether a query on another DocType names fields of ours through one of its links (`link.field`).

    Frappe joins the rows that are linked to, whoever may see them. The title of an Organization is a field like others.
    """
    doctype = call.path[0] if call.path else call.arguments.get("doctype")
    query = [text for key in QUERY_KEYS for text in asked.texts(_without_titles(call.arguments, key)) if "." in text]
    meta = _meta(doctype) if query and doctype not in TENANT_DOCTYPES else None
    fields = meta.get_link_fields() if meta else []
    links = [re.compile(rf"\b{field.fieldname}\W*\.") for field in fields if field.options in TENANT_DOCTYPES]
    return any(link.search(text) for link in links for text in query)


def _without_titles(arguments: Mapping[str, Any], key: str) -> Any:
    value = arguments.get(key)
    if key != "fields" or not isinstance(value, str):
        return value
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):
        return value
    is_list = isinstance(fields, list)
    return [field for field in fields if not (isinstance(field, str) and TITLE.fullmatch(field))] if is_list else value


def _check_names(call: Call, named: Iterable[Named]) -> None:
    called = getattr(call.function, "__name__", "")
    if called in ANSWER_THEMSELVES:
        return
    asked_of: dict[str, list[Named]] = {}
    for document in named:
        if called != "getdoc" or document.doctype not in ENGINE_DOCTYPES:
            asked_of.setdefault(document.doctype, []).append(document)
    for doctype, documents in asked_of.items():
        names = {document.name for document in documents}
        visible = {asked.plain(name) for name in references.visible_of(doctype, names)}
        for document in documents:
            if asked.plain(document.name) not in visible and not _is_held_already(document):
                _throw_missing(document)


def _throw_missing(document: Named) -> None:
    if frappe.session.user == "Guest":
        raise frappe.PermissionError(_("Log in to access this page."))
    throw_missing(document.doctype, document.text)


def _is_held_already(document: Named) -> bool:
    """Whether a document that is saved linked there before: who may read it knows the name, and changes nothing."""
    holder: Any = document.holder
    if not holder or not all(isinstance(holder.get(key), str) for key in ("doctype", "name")):
        return False
    doctype, name = holder["doctype"], holder["name"]
    meta = None if asked.tenant_doctype(doctype) not in (None, config.SCHEDULE) else _meta(doctype)
    if not meta or not meta.has_field(document.field) or not asked.is_text(name):
        return False
    is_same = frappe.db.get_value(doctype, name, document.field) == document.text
    return is_same and frappe.has_permission(doctype, "read", doc=name)
