"""Documents about which Frappe holds rows, such as comments: SQL, which deletes the others, would leave those."""

from __future__ import annotations

from collections.abc import Sequence

import frappe

REFERENCES = {
    "Comment": ("reference_doctype", "reference_name"),
    "Communication": ("reference_doctype", "reference_name"),
    "ToDo": ("reference_type", "reference_name"),
    "File": ("attached_to_doctype", "attached_to_name"),
    "Tag Link": ("document_type", "document_name"),
    "DocShare": ("share_doctype", "share_name"),
    "Version": ("ref_doctype", "docname"),
    "View Log": ("reference_doctype", "reference_name"),
    "Document Follow": ("ref_doctype", "ref_docname"),
}
"""The fields by which rows of these DocTypes refer to a document."""


def delete_with_rows(doctype: str, names: Sequence[str]) -> None:
    """Delete those of these documents about which there are rows. Frappe's own function deletes the rows, too.

    The caller has checked and locked the documents, and deletes the others.
    """
    for name in sorted(_with_rows(doctype, names)):
        options = {"ignore_permissions": True, "ignore_on_trash": True, "delete_permanently": True}
        frappe.delete_doc(doctype, name, force=True, **options)


def _with_rows(doctype: str, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for referring, (kind, name) in REFERENCES.items() if names else ():
        filters = {kind: doctype, name: ("in", names)}
        found.update(frappe.get_all(referring, filters, pluck=name, distinct=True, order_by=name))
    return found
