"""Refuses links to documents of ours that the user may not see, and other spellings of their names.

Frappe looks a link up, and copies fields through it (`fetch_from`), without checking that the user may read the
document (15, 16). Frappe 15 does so even before it checks that the user may make the linking document. So errors tell
anybody which names exist, and copies tell the content of the rows. Rows of strangers keep a document from being
deleted. No hook of Frappe's comes before that, so its method is wrapped, for requests and background jobs of a site
with this app. This holds for rows about ours too: a Contact shows the title of whatever it links to. Other links stay
as they were, but hold no filters.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import throw_missing

from . import by_request, further_rows, references, wrapping
from .doctypes import guarded_doctype, tenant_doctype
from .mentions import organization_elsewhere


@dataclass(frozen=True, slots=True)
class Link:
    """A field that leads to one of our DocTypes, or to an organization of the adapter's, and its value."""

    row: Any
    """The document, or a row of one of its child tables."""
    field: str
    doctype: str
    name: str


def check(doc: Document, stored: Callable[[], Document | None]) -> None:
    """Raise Frappe's error for a missing document if a new link of the document leads to a hidden one.

    `stored` returns the document as it was.
    """
    for link in _kept_and_new(doc, stored)[1]:
        _throw_missing(link)


def _kept_and_new(doc: Document, stored: Callable[[], Document | None]) -> tuple[list[Link], list[Link]]:
    """The document's hidden links: those that it held before, which stay as they are, and the other ones."""
    hidden = hidden_links(doc)
    if not hidden:
        return [], []
    before = stored()
    kept = [link for link in hidden if _was_there(link, doc, before)]
    return kept, [link for link in hidden if link not in kept]


def hidden_links(doc: Document) -> list[Link]:
    """The document's links to documents of ours, and to rows about ours, that the user may not see."""
    links = [] if visibility.sees_everything(frappe.session.user) else list(_links(doc))
    visible = {
        (doctype, name)
        for doctype in {link.doctype for link in links}
        for name in _visible_of(doctype, [link.name for link in links if link.doctype == doctype])
    }
    return [link for link in links if (link.doctype, link.name) not in visible]


def _visible_of(doctype: str, names: list[str]) -> Collection[str]:
    """Those of these documents that the user may see. One statement."""
    if not guarded_doctype(doctype):
        return set(names) & {*visibility.viewer().reach.members}
    hidden = further_rows.hidden_rows(doctype, names)
    return references.visible_of(doctype, names) if hidden is None else set(names) - hidden


def _throw_missing(link: Link) -> None:
    """The error for a document that does not exist: Frappe's for a link to one of its own rows, to the letter."""
    if tenant_doctype(link.doctype):
        throw_missing(link.doctype, link.name)
    label = _(link.row.meta.get_field(link.field).label, context=link.row.doctype)
    place = f"{_('Row')} #{link.row.idx}: " if link.row.get("parentfield") else ""
    frappe.throw(_("Could not find {0}").format(f"{place}{label}: {link.name}"), frappe.LinkValidationError)


def _links(doc: Document) -> Iterator[Link]:
    fields: dict[str, list[Any]] = {}
    for row in [doc, *doc.get_all_children()]:
        if row.doctype not in fields:
            fields[row.doctype] = row.meta.get_link_fields() + row.meta.get_dynamic_link_fields()
        for field in fields[row.doctype]:
            name = row.get(field.fieldname)
            doctype = _leads_to_ours(row, field, name) if name else None
            if doctype and not _is_folder(row, field, name):
                yield Link(row, field.fieldname, doctype, name)


def _is_folder(row: Any, field: Any, name: str) -> bool:
    """Whether this link leads to a folder, which tells nothing."""
    is_link = (row.doctype, field.fieldname) == ("File", "folder")
    return is_link and (name == "Home" or name.startswith("Home/"))


def _leads_to_ours(row: Any, field: Any, name: Any) -> str | None:
    """The DocType to which a link leads, if it is ours, one with rows about ours, or that of our own organizations.

    Raises frappe.ValidationError.
    """
    if isinstance(name, dict | list):  # Frappe would look up the first row that these filters match
        raise frappe.ValidationError(_("{0} must be text.").format(field.fieldname))
    kind = field.options if field.fieldtype == "Link" else row.get(field.options)
    if kind and not isinstance(kind, str):  # for a number, Frappe would take the first of all DocTypes
        raise frappe.ValidationError(_("{0} must be text.").format(field.options))
    doctype = guarded_doctype(kind) or organization_elsewhere(row.doctype).get(field.fieldname)
    if doctype and not isinstance(name, str):  # … and the first of all rows
        raise frappe.ValidationError(_("{0} must be text.").format(field.fieldname))
    return doctype


def _was_there(link: Link, doc: Document, before: Document | None) -> bool:
    if before is None:
        return False
    rows = [before] if link.row is doc else before.get(link.row.parentfield) or []
    field = link.row.meta.get_field(link.field)
    for row in rows:
        if row.name == link.row.name and row.get(link.field) == link.name:
            return _leads_to_ours(row, field, link.name) == link.doctype
    return False


def _wrapped(validate: Callable[[Document], None]) -> Callable[[Document], None]:
    @functools.wraps(validate)
    def validate_links(doc: Document) -> None:
        by_frappe = frappe.flags.get(by_request.FLAG)
        is_trusted = by_frappe is None or (doc.flags.ignore_permissions and not by_frappe)
        if is_trusted or doc.flags.ignore_links or doc._action == "cancel":
            validate(doc)
            return
        kept, new = _kept_and_new(doc, doc.get_doc_before_save)
        for link in new:
            if tenant_doctype(link.doctype):
                _throw_missing(link)
        # Emptied meanwhile: Frappe would look them up, and copy the row's present content.
        for link in kept:
            link.row.set(link.field, None)
        try:
            with _not_found(new):
                validate(doc)  # from this line alone, since Frappe 15 sends tracebacks
        finally:
            for link in kept:
                link.row.set(link.field, link.name)
        for link in new:  # Frappe 15 takes missing rows from which it copies fields
            _throw_missing(link)

    return validate_links


@contextlib.contextmanager
def _not_found(hidden: Sequence[Link]) -> Iterator[None]:
    """Let Frappe find no rows behind these links, so that nothing of its answer differs from one for missing rows."""
    names = {(link.doctype, link.name) for link in hidden}
    if not names:
        yield
        return
    database, get_value = frappe.local.db, frappe.local.db.get_value
    replaced = vars(database).get("get_value")  # by a save around this one

    @functools.wraps(get_value)
    def look_up(doctype: Any, filters: Any = None, *arguments: Any, **named: Any) -> Any:
        is_hidden = isinstance(filters, str) and (guarded_doctype(doctype) or doctype, filters) in names
        return None if is_hidden else get_value(doctype, filters, *arguments, **named)

    database.get_value = look_up
    try:
        yield
    finally:
        if replaced is None:
            del database.get_value
        else:
            database.get_value = replaced


wrapping.replace(Document, "_validate_links", _wrapped, has_flag_of_request=True)
