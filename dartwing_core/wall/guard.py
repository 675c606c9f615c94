"""Checks each request before Frappe acts on it, where Frappe calls no hook. The rules:

- A function with a substitute (`substitutes`) is called only by the name that leads to the substitute. Frappe serves
  each function by every name under which some module imports it. Some functions also call one that an argument names.
  Other arguments are data. (15, 16)
- Our DocTypes are called by their name: a server that ignores the case of table names finds the rows of
  `background job`, but Frappe finds none of the hooks for them. (15, 16)
- RQ Job and RQ Worker are only for users with a role for them: Frappe lists them, with all jobs, to everybody.
  (15; RQ Worker: 16 too)
- The name of a document that may refer to one of ours is text. Frappe accepts filters too, and its answer tells whether
  there is a row. (15, 16)
- A number of rows is a number: some of Frappe's lists write it into a query unchanged. (15)
- A document of ours that a request names beside its DocType is visible to the user, and spelled as it is stored. Frappe
  locks a document that it is to delete, and tells whether there is one, before it loads the document or checks a
  permission. Ids can't be guessed, names of old organizations can. (15, 16)

`GuardedDocument`, `sent_names`, `links`, `query_rules` and `lookup_rules` check later, in any spelling: names and
content of documents, links, and queries. The guard does not check functions of other apps, nor the site's Server
Scripts.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import frappe
from frappe import _, client, handler
from frappe.desk import search, treeview
from frappe.model import mapper

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES, throw_missing

from . import (  # noqa: F401 (wrap functions)
    by_request,
    child_rows,
    copied_files,
    currencies,
    document_cache,
    link_titles,
    links,
    loaded_documents,
    mail_files,
    mailed_reports,
    references,
    renames,
    request_numbers,
    role_names,
    rows_alone,
    select_values,
    sent_later,
    sent_names,
    statement_rules,
    stored_scripts,
    web_pages,
)
from .doctypes import guarded_doctype, queue_doctype, tenant_doctype
from .mentions import kind_fields
from .request_call import DOCTYPE_KEYS, NAME_KEYS, Call, find_function, of_request
from .request_texts import listed, parsed
from .substitutes import REPLACED

PAIRS = (("ref_doctype", "ref_name"),)
"""Pairs of other arguments that together name a document: its DocType and its name."""
SENT_KEYS = ("doc", "docs", "args", "event", "file_list")
"""Arguments with documents, or with names of some."""
NAMES_ALONE = ("fid", "reference_docname", "reference_name", "ref_docname")
MAY_HOLD_NO_TEXT = re.compile(r"""e"\s*:\s*[^"\sn]""")
"""In JSON: a name or a DocType that is neither text nor null. By its last letter alone, which is found the fastest."""
ESCAPED = "\\u"
"""In JSON: a key may be written otherwise."""
ASSIGNED = "args"
"""The argument with the DocType and the name, or the list of names, of what is assigned."""
FUNCTION_KEYS = ("method", "query", "tree_method")
"""Arguments that name a function for a function of Frappe's to call: mappers, uploads, link search, trees."""
SEARCHES = ["doctype", "txt", "searchfield", "start", "page_len", "filters"]
CALLED_BY = {
    (mapper.__name__, "make_mapped_doc"): ["source_name"],
    (mapper.__name__, "map_docs"): ["source_name"],
    (treeview.__name__, "get_all_nodes"): ["doctype", "parent"],
    (search.__name__, "search_link"): SEARCHES,
    (search.__name__, "search_widget"): SEARCHES,
    (client.__name__, "validate_link_and_fetch"): SEARCHES,  # 16
    (handler.__name__, "upload_file"): None,
    (handler.__name__, "uploadfile"): None,  # 15
}
"""Functions that call a named one, by module and name, which substitutes share with them; and the first parameters of
those that are made for it. None: no function of Frappe's is."""
ANSWER_THEMSELVES = frozenset({"validate_link", "validate_link_and_fetch", "get_link_title", "getdoc", "save_report"})
"""Functions that treat hidden documents as missing ones by themselves, or that name no document of the DocType."""
PAGES_OF_DESK = re.compile(r"/(app|desk|assets|files|private|login)(/|$)")


def check_request() -> None:
    """Hook (`auth_hooks`): refuse a request that the user may not make. Raises Frappe's own errors.

    Hidden and missing documents raise from one line of code, so that their tracebacks do not differ either.
    """
    call = of_request()
    by_request.watch(call.is_frappes)
    sent_names.remember({**call.arguments, **_raw_body(call)})
    is_page = PAGES_OF_DESK.match(frappe.local.request.path) and not call.command
    if frappe.local.request.method == "OPTIONS" or is_page or not call.is_frappes:
        return
    try:
        _check(call)
    except RecursionError:
        raise frappe.ValidationError(_("The request is nested too deeply.")) from None


def _raw_body(call: Call) -> dict[str, str]:
    """The body of a request that is neither JSON nor a form. Frappe's REST reads the values of a document in it."""
    request = frappe.local.request
    is_read = not call.command and request.method in ("POST", "PUT") and call.arguments.get("data") is None
    return {"data": request.get_data(as_text=True)} if is_read and not request.is_json else {}


def before_job(method: Any = None, kwargs: Any = None, **_more: Any) -> None:
    """Hook: in the background, too, Frappe imports, changes and reads documents for the user of a request."""
    by_request.watch(by_request.is_frappes(str(method)))
    sent_names.remember(kwargs if isinstance(kwargs, dict) else {})


def _check(call: Call) -> None:
    _check_function(call)
    request_numbers.check(call)
    asked_for = [text for text in call.doctypes if tenant_doctype(text) not in (None, text) or queue_doctype(text)]
    ours = [text for text in call.doctypes if text in TENANT_DOCTYPES]
    no_text = _no_text_for_name(call)
    odd_number, odd_doctype = request_numbers.odd(call), _odd_doctype(call)
    is_odd_call = _calls_another_kind(call)
    pairs = [(tenant_doctype(call.arguments.get(kind)), call.arguments.get(name)) for kind, name in PAIRS]
    pairs += [*_assigned(call), *_sent_to_method(call)]
    named = [(doctype, str(name)) for doctype, name in pairs if doctype and name is not None]
    if not (asked_for or ours or no_text or odd_number or odd_doctype or named or is_odd_call):
        return
    _let_others_authenticate()
    if visibility.viewer().sees_everything or _is_refused_anyway():
        return
    if is_odd_call:
        raise frappe.PermissionError(_("Call this function by its own name."))
    for text in asked_for:
        _check_doctype(text)
    if odd_number or odd_doctype:
        text = _("{0} must be a number.") if odd_number else _("{0} must be text.")
        raise frappe.ValidationError(text.format(odd_number or odd_doctype))
    for doctype, name in named:
        _check_names(doctype, {name})
    if no_text:
        raise frappe.ValidationError(no_text)
    names = call.names() if ours and not _answers_itself(call) else set()
    for doctype in ours:
        _check_names(doctype, names)


def _answers_itself(call: Call) -> bool:
    """Whether the function treats hidden documents as missing ones. With a search of the caller's choice, none does."""
    return getattr(call.function, "__name__", "") in ANSWER_THEMSELVES and not call.arguments.get("query")


def _check_function(call: Call) -> None:
    is_past_ours = call.function in REPLACED and not _is_overridden(call.command)
    sent = [call.arguments.get(key) for key in FUNCTION_KEYS] if call.function else []
    names = {name for name in sent if isinstance(name, str)} - {call.command}
    if is_past_ours or any(find_function(name) in REPLACED for name in names):
        raise frappe.PermissionError(_("Call this function by its own name."))


def _calls_another_kind(call: Call) -> bool:
    """Whether a function of Frappe's is to call another one that is not made for it.

    The called one takes its documents from arguments of any name, which no rule here reads.
    """
    kind = (getattr(call.function, "__module__", ""), getattr(call.function, "__name__", ""))
    if kind not in CALLED_BY:
        return False
    names = [name for key in FUNCTION_KEYS if isinstance(name := call.arguments.get(key), str)]
    found = [function for function in map(find_function, names) if function]
    first = CALLED_BY[kind]
    return any(by_request.is_frappes(function.__module__) and not _begins_with(function, first) for function in found)


def _begins_with(function: Callable[..., Any], parameters: list[str] | None) -> bool:
    return parameters is not None and [*inspect.signature(function).parameters][: len(parameters)] == parameters


def _is_overridden(command: str) -> bool:
    return command.startswith("dartwing_core.") or command in frappe.get_hooks("override_whitelisted_methods", {})


# The user ------------------------------------------------------------------------------------------------------------


def _let_others_authenticate() -> None:
    """Call the `auth_hooks` of apps installed later, which may know the user. Frappe calls them after ours."""
    if frappe.session.user != "Guest":
        return
    hooks = frappe.get_hooks("auth_hooks", [])
    for path in hooks[hooks.index(f"{__name__}.check_request") + 1 :]:
        frappe.get_attr(path)()


def _is_refused_anyway() -> bool:
    """Whether Frappe will answer 401 anyway, because of a wrong key."""
    return frappe.session.user == "Guest" and len((frappe.get_request_header("Authorization") or "").split(" ")) == 2


# The arguments -------------------------------------------------------------------------------------------------------


def _check_doctype(text: str) -> None:
    if text not in (tenant_doctype(text), queue_doctype(text)):
        throw_missing("DocType", text)
    if queue_doctype(text):
        frappe.has_permission(text, throw=True)


def _check_names(doctype: str, names: set[str]) -> None:
    hidden = sorted(names.difference(references.visible_of(doctype, names)))
    if hidden and frappe.session.user == "Guest":
        raise frappe.PermissionError(_("Log in to access this page."))
    for name in hidden:
        throw_missing(doctype, name)


def _no_text_for_name(call: Call) -> str | None:
    """The error if something else takes the place of a document's name, or of its DocType within another argument.

    The document may refer to ours, or be sent itself. For filters Frappe takes the first row that matches.
    """
    sent = [value for key in SENT_KEYS if (value := call.arguments.get(key))]
    is_suspicious = any(not isinstance(value, str) or _may_hold_no_text(value) for value in sent)
    rows = [row for value in sent for row in _rows_of(value)] if is_suspicious else []
    if any(not isinstance(row.get("doctype"), str | None) for row in rows):
        return _("{0} must be text.").format(_("DocType"))
    if any(map(_has_no_text_for_name, rows)):
        return _no_text()
    if any(isinstance(parsed(call.arguments.get(key)), dict) for key in NAMES_ALONE):
        return _no_text()
    named = [call.arguments[key] for key in NAME_KEYS if key in call.arguments]
    named = [value for value in named if not isinstance(value, str) or value.lstrip()[:1] in ("{", "[")]
    is_filter = any(isinstance(one, dict | list) for value in named for one in (listed(value) or [parsed(value)]))
    return _no_text() if is_filter and any(map(kind_fields, call.doctypes)) else None


def _no_text() -> str:
    return _("The name of a document must be text.")


def _may_hold_no_text(text: str) -> bool:
    return ESCAPED in text or MAY_HOLD_NO_TEXT.search(text) is not None


def _assigned(call: Call) -> Iterator[tuple[str | None, Any]]:
    """The documents that an assignment names within its argument. Frappe lists their assignees without a permission."""
    sent = parsed(call.arguments.get(ASSIGNED))
    if isinstance(sent, dict) and (doctype := tenant_doctype(sent.get("doctype"))):
        yield from ((doctype, name) for name in listed(sent.get("name")) or [sent.get("name")])


def _sent_to_method(call: Call) -> Iterator[tuple[str | None, Any]]:
    """The document that is sent for one of its methods. Its values say nothing about the row of its name."""
    if getattr(call.function, "__name__", "") == "run_doc_method":
        for sent in map(parsed, (call.arguments.get("docs"), call.arguments.get("document"))):
            if isinstance(sent, dict):
                yield tenant_doctype(sent.get("doctype")), sent.get("name")


def _odd_doctype(call: Call) -> str | None:
    """The argument in place of a DocType that is no text. Some of Frappe's functions accept a comparison there."""
    keys = (*DOCTYPE_KEYS, *(kind for kind, _name in PAIRS))
    odd = (key for key in keys if not isinstance(call.arguments.get(key), str | None))
    return next((key for key in odd if not _takes_objects(call.function, key)), None)


def _takes_objects(function: Callable[..., Any] | None, argument: str) -> bool:
    """Whether a function is annotated to accept an object there, as the one for PDFs of several DocTypes is."""
    return "dict" in str(getattr(function, "__annotations__", {}).get(argument, ""))


def _rows_of(value: Any) -> Iterator[dict[str, Any]]:
    """A sent document, or several in a list, with their child rows."""
    inner = parsed(value)
    for document in inner if isinstance(inner, list) else [inner]:
        if isinstance(document, dict):
            yield document
            for rows in document.values():
                yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _has_no_text_for_name(row: dict[str, Any]) -> bool:
    """Whether filters, or a number that is no name, take the place of a row's name. Some DocTypes number their rows."""
    name = row.get("name")
    if isinstance(name, str | None):
        return False
    return sent_names.is_no_name(name) or guarded_doctype(row.get("doctype")) is not None
