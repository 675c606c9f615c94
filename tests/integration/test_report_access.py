"""Reports that Frappe keeps or sends hold nothing for others than who may see it."""

from __future__ import annotations

import frappe
import pytest

from tests.support import factory
from tests.support.sessions import as_user

REPORT = "Dead Letters by Error"


def kept_report(owner: str):
    """A Prepared Report, as if Frappe had made it for the owner."""
    made = frappe.get_doc({"doctype": "Prepared Report", "report_name": REPORT, "filters": "{}", "status": "Queued"})
    made.name = frappe.generate_hash(length=10)
    made.db_insert()
    frappe.db.set_value("Prepared Report", made.name, "owner", owner)
    return frappe.get_doc("Prepared Report", made.name)


@pytest.fixture
def reader() -> str:
    """A member of Alpha who may read prepared reports."""
    return factory.user("report_reader", factory.ALPHA, roles=("Dartwing User", "Prepared Report User"))


def test_a_kept_report_is_for_who_has_made_it(reader, bob):
    own, other = kept_report(reader), kept_report(bob)
    listed = as_user(reader, frappe.get_list, "Prepared Report", pluck="name", limit=0)
    assert own.name in listed
    assert other.name not in listed
    assert as_user(reader, own.has_permission, "read")
    assert not as_user(reader, other.has_permission, "read")
    assert as_user("Administrator", other.has_permission, "read")


def test_reports_on_jobs_are_not_sent_by_the_scheduler(reader):
    # It runs their scripts as Administrator, for whomever they are.
    values = {"report": REPORT, "report_type": "Script Report", "user": reader, "email_to": reader, "format": "CSV"}
    sent = frappe.get_doc({"doctype": "Auto Email Report", "frequency": "Daily", **values})
    with pytest.raises(frappe.PermissionError, match="all organizations"):
        sent.insert()
