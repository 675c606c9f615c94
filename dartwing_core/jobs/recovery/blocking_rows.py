"""Rows by which any user could keep Frappe from deleting a document: their reminder, event or contact about it.

If SQL deletes the document, Frappe could not save such a row any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import frappe
from pypika.terms import Criterion

from ..db import deletion

if TYPE_CHECKING:
    from frappe.model.document import Document

ROWS = {
    "Reminder": ("reminder_doctype", "reminder_docname"),
    "Event Participants": ("reference_doctype", "reference_docname"),
    "Dynamic Link": ("link_doctype", "link_name"),
}
"""DocTypes of rows that go along, with the fields by which they refer to a document. Some sites lack one."""
EVENT, EVENT_FIELDS = "Event", ("reference_doctype", "reference_docname")
"""An event stays, without its reference. Frappe 15 has no such fields."""


def release(doc: Document, _method: str | None = None) -> None:
    """`on_trash` of our documents: delete these rows, before Frappe looks for links and would refuse.

    A member could keep their membership that way. If Frappe refuses for another reason, its caller rolls back.
    """
    release_rows({doc.doctype: [doc.name]})


def release_rows(documents: Mapping[str, Sequence[str]]) -> None:
    """Delete the rows about these documents, given as names by DocType. One statement for each table that is read."""
    named = {doctype: [str(name) for name in names] for doctype, names in documents.items() if names}
    if not named:
        return
    for doctype, fields in ROWS.items():
        if frappe.db.table_exists(doctype) and (names := _about(named, doctype, fields)):
            deletion.delete_named(doctype, names)
    if frappe.get_meta(EVENT).has_field(EVENT_FIELDS[0]) and (events := _about(named, EVENT, EVENT_FIELDS)):
        frappe.db.set_value(EVENT, {"name": ("in", events)}, dict.fromkeys(EVENT_FIELDS), update_modified=False)


def _about(named: Mapping[str, Sequence[str]], doctype: str, fields: tuple[str, str]) -> list[str]:
    """The rows of a DocType about these documents. Reads without locks: most of the fields have no index."""
    table = frappe.qb.DocType(doctype)
    kind, name = (table[field] for field in fields)
    is_about = Criterion.any((kind == about) & name.isin(names) for about, names in named.items())
    return frappe.qb.from_(table).select(table.name).where(is_about).run(pluck=True)
