"""A saved document takes no row out of a child table of another one.

Frappe updates a row of a child table by the name that was sent, and writes the saved document into the row as its
parent. It does not look where the row is stored. So any user took away the roles of any account: their own document
named the rows. Rows that are saved by themselves name their parent as they like. So a stored row stays with its parent,
if one of Frappe's own functions saves what was sent. A row that calls itself new takes no name of a stored one either:
Frappe writes its passwords before it finds that out. (15, 16)

Frappe reads the stored document at each save. So only names that are not in it cost a statement.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import frappe
from frappe import _
from frappe.model import child_table_fields
from frappe.model.document import Document
from frappe.utils import cstr

from dartwing_core.jobs.access import visibility

from . import by_request, callers, wrapping


def _checking(check_if_latest: Callable[..., Any]) -> Callable[..., Any]:
    """`check_if_latest`, which reads the stored document. Frappe reads and tells values of the rows after that."""

    @functools.wraps(check_if_latest)
    def checked(self: Document, *arguments: Any, **named: Any) -> Any:
        found = check_if_latest(self, *arguments, **named)
        if by_request.is_by_request() and not self.is_new():  # Frappe gives new names to rows of a new document
            _check(self)
        return found

    return checked


def _check(document: Document) -> None:
    """Raises frappe.PermissionError if a row would be taken from another document, or from another table."""
    is_moved, names = _is_moved(document), _further_names(document)
    if not (is_moved or names) or visibility.viewer().sees_everything or not callers.frappe_saves(document):
        return
    if is_moved or any(_has_other_parent(document, doctype, of_rows) for doctype, of_rows in names.items()):
        frappe.throw(_("A row can't be moved here from elsewhere. Add a new one."), frappe.PermissionError)


def _is_moved(document: Document) -> bool:
    """Whether a row that is saved by itself names another parent, or a row another table than the one it is in."""
    before = document.get_doc_before_save()
    if document.meta.istable and before:
        return any(cstr(document.get(field)) != cstr(before.get(field)) for field in child_table_fields)
    return any(row.parentfield != field for field, row in _rows(document))


def _further_names(document: Document) -> dict[str, set[str]]:
    """The names of rows that were not in the document before. By DocType."""
    before, names = document.get_doc_before_save(), dict[str, set[str]]()
    known = {(row.doctype, cstr(row.name)) for _field, row in _rows(before)} if before else set()
    for _field, row in _rows(document):
        key = doctype, name = row.doctype, cstr(row.name)
        if name and key not in known and not row.meta.get("is_virtual"):
            names.setdefault(doctype, set()).add(name)
    return names


def _has_other_parent(document: Document, doctype: str, names: set[str]) -> bool:
    """Whether one of these rows is stored with another parent. Locks them: Frappe updates also what is newer."""
    table = frappe.qb.DocType(doctype)
    query = frappe.qb.from_(table).select(table.parent, table.parenttype).where(table.name.isin(sorted(names)))
    own = cstr(document.name), document.doctype
    return any((cstr(parent), parenttype) != own for parent, parenttype in query.for_update().run())


def _rows(document: Document) -> Iterator[tuple[str, Any]]:
    """The rows of the child tables, each with the field of its table."""
    for field in document.meta.get_table_fields():
        for row in document.get(field.fieldname) or ():
            yield field.fieldname, row


wrapping.replace(Document, "check_if_latest", _checking, has_flag_of_request=True)
