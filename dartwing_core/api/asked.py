"""What a request asks for: the function it calls, and the documents of ours that it names.

Frappe's functions take names of documents in many arguments: `name`, `docname`, lists, JSON text, documents to save.
Ids of jobs are known by their form wherever they stand alone; other names by the DocType that stands beside them.
"""

from __future__ import annotations

import inspect
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import frappe
from frappe import _

from dartwing_core.jobs import config
from dartwing_core.jobs.desk_access import MEMBER, ORGANIZATION, TENANT_DOCTYPES

JOB_ID = re.compile(r"(?:.*(?:::|\|\|))?(JOB-[0-9A-Z]{20})(-\d+)?", re.DOTALL)
"""Of a job, of an attempt, or of what Frappe makes of that for RQ: `site::job-attempt`, later `site||job-attempt`."""

BATCH_ID = re.compile(r"BATCH-[0-9A-Z]{20}")
CIRCUIT_ID = re.compile(r"CIRCUIT-[0-9A-Z]{20}")
SCHEDULE_ID = re.compile(r"SCHEDULE-[0-9A-Z]{20}")
LONGEST_NAME = 300
WITH_ORGANIZATION = (MEMBER, config.SCHEDULE)
"""Documents that people make for an organization, which they have to see."""
MAY_HOLD_NAMES = re.compile(
    r"JOB-|BATCH|CIRCUIT|SCHEDULE|\\U|BACKGROUND JOB|JOB DEPENDENCY|EXECUTION LOG|ORGANIZATION|ORG MEMBER|RQ JOB"
    r"|RQ WORKER"
)
NAME_KEYS = (
    (
        ("doctype", "dt", "doc"),
        ("name", "docname", "dn", "doc_name", "docnames", "items", "docs", "old_name"),
    ),
    (
        (
            *("reference_doctype", "reference_type", "reference_dt", "ref_doctype", "document_type", "share_doctype"),
            *("reminder_doctype", "attached_to_doctype", "link_doctype", "allow"),
        ),
        (
            *("reference_name", "reference_docname", "reference_doc", "reference_document", "ref_docname", "ref_name"),
            *("document_name", "share_name", "reminder_docname", "attached_to_name", "link_name", "for_value"),
        ),
    ),
)
"""Arguments and fields that hold a DocType, and those that hold the name of a document of it."""
DOCTYPE_KEYS = frozenset(key for doctype_keys, _names in NAME_KEYS for key in doctype_keys)
NOT_NAMES = frozenset(
    {
        *("filters", "or_filters", "current_filters", "extra_filters", "link_filters", "export_filters", "fields"),
        *("txt", "text", "keyword", "search_term", "title", "subject", "content", "description", "comment", "message"),
        *("reply", "reason", "user_settings", "routes", "names"),
    }
)
"""Arguments in which an id finds what one may see, or is mere text."""


PROSE = frozenset({"content", "comment", "description", "message", "text", "subject", "reply", "reason"})
"""Arguments that people write in."""


@dataclass(frozen=True, slots=True)
class Named:
    """A document that a request names, as it names it."""

    doctype: str
    name: str
    """For an attempt, that of its job."""
    text: str
    """As the request has it."""
    holder: Any = None
    """The document (a dict) of another DocType, sent with the request, that links to it; if any."""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """What a request calls. `function` is None for the routes of documents and for pages."""

    command: str
    function: Callable[..., Any] | None
    arguments: Mapping[str, Any]
    path: tuple[str, ...]
    """What follows `/api/resource` and the like: DocType, name, …"""
    is_document: bool = False
    """The arguments are a document to save."""

    def texts(self) -> Iterator[str]:
        """Every key and text of the request but prose."""
        yield from self.path
        yield from texts(self.arguments)

    def doctypes(self) -> Iterator[str]:
        """What stands where a DocType is named."""
        yield from self.path[:1]
        yield from _doctypes(self.arguments)

    def names(self) -> Iterator[Named]:
        """The documents of ours that it names. Raises frappe.ValidationError for a filter in place of a name."""
        for text in self.path:
            yield from _ids(text)
        name = "/".join(self.path[1:]).partition("/method/")[0]
        if name and (doctype := tenant_doctype(self.path[0])):
            yield Named(doctype, name, name)
        if self.is_document:
            document = {**self.arguments, **dict(zip(("doctype", "name"), self.path, strict=False))}
            yield from _names(document, document)
            return
        deletes = getattr(self.function, "__name__", "") == "delete_items"  # elsewhere, items are DocTypes
        yield from _names({key: value for key, value in self.arguments.items() if key != "items" or deletes})


def of_request() -> Call:
    """The call that the current request makes."""
    request, arguments = frappe.local.request, dict(frappe.local.form_dict)
    parts = tuple(part for part in request.path.split("/") if part)
    if command := arguments.get("cmd"):
        return Call(str(command), function(str(command)), arguments, ())
    if parts[:1] != ("api",):
        return Call("", None, arguments, ())
    kind, *path = parts[2 if parts[1:2] in (("v1",), ("v2",)) else 1 :] or ("",)
    if kind == "method":
        command = path[0] if path else ""
        return Call(command, function(command), arguments, tuple(path[1:]))
    if kind == "doctype":
        return Call("", None, arguments, tuple(path[:1]))
    is_method = "run_method" in arguments or "method" in path[2:]
    is_document = request.method in ("POST", "PUT", "PATCH") and not is_method
    if is_document and not request.is_json:
        arguments["data"] = arguments.get("data") or request.get_data(as_text=True)
    return Call("", None, arguments, tuple(path), is_document)


def function(command: str) -> Callable[..., Any] | None:
    """The function of an installed app that Frappe calls by this name."""
    try:
        if "." not in command:
            found = getattr(frappe.get_module("frappe.handler"), command)
        elif command.partition(".")[0] in ("frappe", *frappe.get_installed_apps()):
            found = frappe.get_attr(command)
        else:
            return None
    except Exception:
        return None
    return found if inspect.isfunction(found) else None


def tenant_doctype(text: Any) -> str | None:
    """Which of our DocTypes a text means, as MariaDB compares it."""
    return _TENANT_DOCTYPES.get(plain(text)) if isinstance(text, str) and len(text) < LONGEST_NAME else None


def is_text(text: str) -> bool:
    """Whether the database takes it: no halves of characters, which JSON can hold."""
    return text.isascii() or not any(unicodedata.category(letter) == "Cs" for letter in text)


def plain(text: str) -> str:
    """Text without what MariaDB's collation does not tell apart: case, accents, forms of a letter, invisible marks."""
    if not text.isascii():
        letters = unicodedata.normalize("NFKD", text)
        text = "".join(letter for letter in letters if unicodedata.category(letter) not in ("Mn", "Cf", "Cc"))
    return text.strip().upper()


_TENANT_DOCTYPES = {plain(doctype): doctype for doctype in TENANT_DOCTYPES}


def _ids(text: str, holder: Any = None, field: str = "") -> Iterator[Named]:
    spelled = plain(text) if len(text) < LONGEST_NAME else ""
    if found := JOB_ID.fullmatch(spelled):
        yield Named(config.JOB, found[1], text, holder, field)
    elif BATCH_ID.fullmatch(spelled):
        yield Named(config.BATCH, spelled, text, holder, field)
    elif CIRCUIT_ID.fullmatch(spelled):
        yield Named(config.CIRCUIT, spelled, text, holder, field)
    elif SCHEDULE_ID.fullmatch(spelled):
        yield Named(config.SCHEDULE, spelled, text, holder, field)


def _names(value: Any, holder: Any = None, key: str = "") -> Iterator[Named]:
    if isinstance(value, str):
        yield from _ids(value, holder, key)
        value = _parsed(value)
    if isinstance(value, Mapping):
        if value.get("doctype") and key:
            holder = value
        yield from _pairs(value, holder)
        for name, inner in value.items():
            if name not in NOT_NAMES:
                yield from _names(inner, holder, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, holder, key)


def _pairs(value: Mapping[str, Any], holder: Any) -> Iterator[Named]:
    for doctype_keys, name_keys in NAME_KEYS:
        for doctype in {tenant_doctype(value.get(key)) for key in doctype_keys} - {None}:
            if doctype_keys[0] == "doctype" and holder is value and _is_new(doctype, value):
                continue
            for key in name_keys:
                for name in _strings(value.get(key), key):
                    yield Named(doctype, name, name, holder, key)
    if tenant_doctype(value.get("doctype")) in WITH_ORGANIZATION and isinstance(value.get("organization"), str):
        yield Named(ORGANIZATION, value["organization"], value["organization"], holder, "organization")
    for key, names in value.items():  # {"Background Job": ["JOB-…"]}
        if isinstance(names, list) and (doctype := tenant_doctype(key)):
            yield from (Named(doctype, name, name) for name in _strings(names, key))


def _is_new(doctype: str, document: Mapping[str, Any]) -> bool:
    """Whether a document has its name for the time being, or wants it."""
    if document.get("__islocal"):
        return doctype in (ORGANIZATION, *WITH_ORGANIZATION)
    return doctype == ORGANIZATION and frappe.has_permission(ORGANIZATION, "create")


def _strings(value: Any, key: str) -> Iterator[str]:
    """Names. Raises frappe.ValidationError for a filter in place of one: it would tell what documents hold."""
    parsed = _parsed(value) if isinstance(value, str) else value
    for item in parsed if isinstance(parsed, list) else [value]:
        if isinstance(item, Mapping) and key == "docs":  # each names itself
            continue
        if isinstance(item, Mapping | list) or (isinstance(item, str) and not is_text(item)):
            raise frappe.ValidationError(_("{0} must be text.").format(key))
        if isinstance(item, str):
            yield item


def _parsed(text: str) -> Any:
    """What JSON text holds, if it may hold names; else None."""
    if text.lstrip()[:1] not in ("{", "[", '"') or not MAY_HOLD_NAMES.search(plain(text)):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _doctypes(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, str):
        if key in DOCTYPE_KEYS:
            yield value
        value = _parsed(value)
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _doctypes(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _doctypes(inner, key)


def texts(value: Any) -> Iterator[str]:
    """All keys and texts in a value but prose, those in JSON text too."""
    if isinstance(value, str):
        yield value
        value = _parsed(value)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in PROSE:
                yield str(key)
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
