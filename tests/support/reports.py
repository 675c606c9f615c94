"""People who make and mail reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import frappe

from . import factory

QUERY = {"report_type": "Query Report", "query": "select 1 as `x:Data:100`"}


@contextmanager
def report_maker(name: str, *roles: str) -> Iterator[str]:
    """A member of no organization who makes and mails reports; what they have made is removed."""
    user = factory.user(name, roles=("Report Manager", "Dartwing User", *roles))
    frappe.db.commit()
    yield user
    frappe.db.rollback()
    for doctype in ("Auto Email Report", "Report"):
        for made in frappe.get_all(doctype, filters={"owner": user}, pluck="name", order_by="creation desc"):
            frappe.delete_doc(doctype, made, force=True, ignore_permissions=True)
    frappe.db.commit()
