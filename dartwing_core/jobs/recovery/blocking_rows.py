"""Rows by which any user could keep Frappe from deleting a document: their reminder, event or contact about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frappe

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
    for doctype, fields in ROWS.items():
        if names := _about(doc, doctype, fields):
            frappe.db.delete(doctype, {"name": ("in", names)})
    if frappe.get_meta(EVENT).has_field(EVENT_FIELDS[0]) and (events := _about(doc, EVENT, EVENT_FIELDS)):
        frappe.db.set_value(EVENT, {"name": ("in", events)}, dict.fromkeys(EVENT_FIELDS), update_modified=False)


def _about(doc: Document, doctype: str, fields: tuple[str, str]) -> list[str]:
    """The rows of a DocType about this document. Reads without locks: the fields have no index."""
    if not frappe.db.table_exists(doctype):
        return []
    return frappe.get_all(doctype, dict(zip(fields, (doc.doctype, doc.name), strict=True)), pluck="name")
