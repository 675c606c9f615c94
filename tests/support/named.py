"""Organizations as people make them, with an id that the engine has chosen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import frappe

HISTORY = ("Job Execution Log", "Background Job Run", "Background Job Dependency")
BELONGING = ("Background Job", "Job Batch", "Job Circuit", "Job Schedule", "Org Member")


@contextmanager
def organization(name: str, **values: object) -> Iterator[str]:
    """An organization of this name, committed; its id. In the end it is gone, with all that belongs to it."""
    frappe.db.commit()
    remove(*frappe.get_all("Organization", {"org_name": name}, pluck="name"))
    document = frappe.get_doc({"doctype": "Organization", "org_name": name, **values}).insert()
    frappe.db.commit()
    try:
        yield document.name
    finally:
        remove(document.name)


def remove(*organizations: str) -> None:
    """By SQL, whatever state they are in."""
    frappe.db.rollback()
    frappe.set_user("Administrator")
    for name in organizations:
        for doctype in HISTORY:
            frappe.db.sql(
                f"DELETE h FROM `tab{doctype}` h JOIN `tabBackground Job` j ON j.name = h.background_job "
                "WHERE j.organization = %s",
                name,
            )
        for doctype in BELONGING:
            frappe.db.delete(doctype, {"organization": name})
        frappe.db.delete("Organization", {"name": name})
        frappe.db.delete("Organization Removal", {"name": name})
    frappe.db.commit()
