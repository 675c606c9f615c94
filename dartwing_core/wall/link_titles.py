"""Shows titles of our documents only to users who may see them.

Frappe adds the titles of all linked documents to forms, prints and previews, without a permission. (15, 16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import frappe
from frappe.contacts.doctype.address import address
from frappe.contacts.doctype.contact import contact
from frappe.desk import link_preview
from frappe.desk.form import load
from frappe.www import printview

from dartwing_core.jobs.access import visibility

from . import by_request, links, references, wrapping
from .doctypes import tenant_doctype

if TYPE_CHECKING:
    from frappe.model.document import Document
    from frappe.model.meta import Meta

OF_PRINTS = "set_title_values_for_link_and_dynamic_link_fields"


def hidden_titles(titles: MutableMapping[str, Any]) -> set[str]:
    """The keys that lead to documents which the user may not see. Frappe writes a key as "DocType::name"."""
    found = [(key, *key.partition("::")[::2]) for key in titles]
    ours = [(key, doctype, name) for key, kind, name in found if (doctype := tenant_doctype(kind))]
    if not ours or visibility.sees_everything(frappe.session.user):
        return set()
    visible = {
        (doctype, name)
        for doctype in {doctype for _key, doctype, _name in ours}
        for name in references.visible_of(doctype, [name for _key, kind, name in ours if kind == doctype])
    }
    return {key for key, doctype, name in ours if (doctype, name) not in visible}


def _remove_hidden(titles: MutableMapping[str, Any] | None) -> None:
    if titles and by_request.FLAG in frappe.flags:
        for key in hidden_titles(titles):
            del titles[key]


def _of_form(find: Callable[..., dict[str, Any] | None]) -> Callable[..., dict[str, Any] | None]:
    @functools.wraps(find)
    def titles(*arguments: Any, **named: Any) -> dict[str, Any] | None:
        found = find(*arguments, **named)
        _remove_hidden(found)
        return found

    return titles


def _of_print(add: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(add)
    def add_titles(meta: Meta, doc: Document, parent_doc: Document | None = None) -> None:
        add(meta, doc, parent_doc)
        _remove_hidden((parent_doc or doc).get("__link_titles"))

    return add_titles


wrapping.replace(load, "get_title_values_for_link_and_dynamic_link_fields", _of_form, has_flag_of_request=True)
for _module in (printview, link_preview):  # the latter: 16
    if hasattr(_module, OF_PRINTS):
        wrapping.replace(_module, OF_PRINTS, _of_print, has_flag_of_request=True)


def _of_contact(add: Callable[[Document], None]) -> Callable[[Document], None]:
    """`set_link_title`: a link that the user may not see keeps the title that it has."""

    @functools.wraps(add)
    def add_titles(doc: Document) -> None:
        rows = doc.links
        hidden = links.hidden_links(doc) if rows and by_request.FLAG in frappe.flags else []
        doc.links = [row for row in rows or () if not any(link.row is row for link in hidden)]
        try:
            add(doc)
        finally:
            doc.links = rows

    return add_titles


for _module in (contact, address):
    wrapping.replace(_module, "set_link_title", _of_contact)
