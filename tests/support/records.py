"""DocTypes with records to export, and the files that exports leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import frappe

from dartwing_core.jobs.job import job_files

RECORD = "Test Export Record"
OWN = "Test Export Own"

FIELDS: tuple[dict[str, Any], ...] = (
    {"fieldname": "title", "fieldtype": "Data", "label": "Title"},
    {"fieldname": "organization", "fieldtype": "Link", "label": "Organization", "options": "Organization"},
    {"fieldname": "amount", "fieldtype": "Currency", "label": "Amount"},
    {"fieldname": "quantity", "fieldtype": "Int", "label": "Quantity"},
    {"fieldname": "due", "fieldtype": "Date", "label": "Due"},
    {"fieldname": "happened_at", "fieldtype": "Datetime", "label": "Happened At"},
    {"fieldname": "starts", "fieldtype": "Time", "label": "Starts"},
    {"fieldname": "body", "fieldtype": "Text", "label": "Body"},
    {"fieldname": "section", "fieldtype": "Section Break"},
    {"fieldname": "internal", "fieldtype": "Data", "label": "Internal", "hidden": 1},
    {"fieldname": "salary", "fieldtype": "Int", "label": "Salary", "permlevel": 1},
    {"fieldname": "pin", "fieldtype": "Password", "label": "PIN"},
)
USER = {"role": "Dartwing User", "read": 1, "export": 1}
MANAGER = {"role": "System Manager", "read": 1, "export": 1, "write": 1, "create": 1, "delete": 1, "share": 1}


def make_doctypes() -> None:
    """`RECORD`, which every Dartwing User may read but for one field, and `OWN`, of which each only their own."""
    make_doctype(RECORD, FIELDS, [USER, MANAGER, {"role": "System Manager", "read": 1, "permlevel": 1}])
    make_doctype(OWN, FIELDS[:1], [{**USER, "if_owner": 1}, MANAGER])


def remove_doctypes(*doctypes: str) -> None:
    """Remove these DocTypes with their tables, RECORD and OWN by default; committed."""
    frappe.db.rollback()
    frappe.set_user("Administrator")
    for doctype in doctypes or (RECORD, OWN):
        frappe.delete_doc("DocType", doctype, force=True, ignore_missing=True)
        frappe.db.sql_ddl(f"DROP TABLE IF EXISTS `tab{doctype}`")
    frappe.db.commit()


def add(doctype: str, *rows: dict[str, Any]) -> None:
    """Insert rows; `name` and `owner` may be among their values."""
    standard = {"creation": "2026-01-02 03:04:05.678", "modified": "2026-01-02 03:04:05.678", "docstatus": 0, "idx": 0}
    by_columns: dict[tuple[str, ...], list[list[Any]]] = {}
    for row in rows:
        complete = {"owner": "Administrator", **standard, **row}
        by_columns.setdefault(tuple(complete), []).append(list(complete.values()))
    for columns, values in by_columns.items():
        frappe.db.bulk_insert(doctype, list(columns), values, chunk_size=500)


def export_files() -> list[str]:
    """The files of exports on the disk, by their own names."""
    return sorted(path.name for path in _exported())


def _exported() -> Iterator[Path]:
    return job_files.folder().glob("*/*/Test-Export-*")


def clean() -> None:
    """Remove records, exported files and what was made for users."""
    frappe.db.rollback()
    frappe.set_user("Administrator")
    for doctype in (RECORD, OWN):
        frappe.db.delete(doctype)
        frappe.db.delete("DocShare", {"share_doctype": doctype})
        frappe.db.delete("Access Log", {"export_from": doctype})
    for name in frappe.get_all("User Permission", {"user": ["like", "test\\_%"]}, pluck="name"):
        frappe.delete_doc("User Permission", name, force=True)
    frappe.db.commit()
    for path in _exported():
        path.unlink()


def make_doctype(name: str, fields: Iterable[dict[str, Any]], permissions: list[dict[str, Any]], **values: Any) -> None:
    """A DocType made by hand, if it is not there; of this app unless `module` is among the values."""
    if frappe.db.exists("DocType", name):
        return
    values = {"module": "Dartwing Core", "custom": 1, "autoname": "hash", "naming_rule": "Random", **values}
    permissions = [{"role": "System Manager", **permission} for permission in permissions]
    frappe.get_doc(
        {"doctype": "DocType", "name": name, **values, "fields": list(fields), "permissions": permissions}
    ).insert(ignore_permissions=True)
