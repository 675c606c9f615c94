"""Organizations as people make them, with an id that the engine has chosen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import frappe

from . import factory


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
        factory.delete_work(name)
        frappe.db.delete("Org Member", {"organization": name})
        frappe.db.delete("Organization", {"name": name})
    frappe.db.commit()
