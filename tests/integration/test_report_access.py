"""Reports that Frappe keeps or sends hold nothing for others than who may see it."""

from __future__ import annotations

import frappe
import pytest
from frappe.core.doctype.prepared_report.prepared_report import create_json_gz_file, make_prepared_report

from dartwing_core.patches import keep_nothing_of_jobs
from tests.support import factory
from tests.support.sessions import as_user

REPORT = "Dead Letters by Error"


@pytest.fixture
def reader() -> str:
    """A member of Alpha who may read prepared reports."""
    return factory.user("report_reader", factory.ALPHA, roles=("Dartwing User", "Prepared Report User"))


def test_reports_on_jobs_are_not_prepared(reader):
    # Frappe gives what it has prepared to all who may make the report, in a file of which everybody guesses the name.
    before = frappe.db.count("Prepared Report", {"report_name": REPORT})
    for user in (reader, "Administrator"):
        with pytest.raises(frappe.PermissionError, match="can't be prepared"):
            as_user(user, make_prepared_report, REPORT, "{}")
    assert frappe.db.count("Prepared Report", {"report_name": REPORT}) == before
    other = as_user("Administrator", make_prepared_report, "Permitted Documents For User", "{}")
    assert frappe.db.exists("Prepared Report", other["name"]), "those of others are"


def test_a_custom_report_over_one_on_jobs_is_not_prepared_either(reader):
    # Seen failing: with the DocType that the Custom Report itself names in place of the one whose rows it shows.
    values = {"report_type": "Custom Report", "reference_report": REPORT, "ref_doctype": "Note", "is_standard": "No"}
    names = ["test over jobs", "test over that"]
    for name, reference in zip(names, (REPORT, names[0]), strict=True):
        report = {"doctype": "Report", "report_name": name, **values, "reference_report": reference, "json": "{}"}
        frappe.get_doc(report).insert(ignore_permissions=True)
    try:
        for name in names:
            for user in (reader, "Administrator"):
                with pytest.raises(frappe.PermissionError, match="can't be prepared"):
                    as_user(user, make_prepared_report, name, "{}")
    finally:
        frappe.db.rollback()


def test_the_patch_removes_what_was_prepared_and_deleted_before():
    kept = frappe.get_doc({"doctype": "Prepared Report", "report_name": REPORT, "filters": "{}", "status": "Completed"})
    kept.name = frappe.generate_hash(length=10)
    kept.db_insert()
    create_json_gz_file({"result": []}, "Prepared Report", kept.name, REPORT)
    file = frappe.get_doc("File", {"attached_to_name": kept.name})
    deleted = [
        frappe.get_doc({"doctype": "Deleted Document", "deleted_doctype": doctype, "data": "{}"}).insert().name
        for doctype in ("Background Job", "Job Schedule", "ToDo")
    ]
    keep_nothing_of_jobs.execute()
    assert not frappe.db.exists("Prepared Report", kept.name)
    assert not file.exists_on_disk()
    assert [bool(frappe.db.exists("Deleted Document", name)) for name in deleted] == [False, False, True]


def test_reports_on_jobs_are_not_sent_by_the_scheduler(reader):
    # It runs their scripts as Administrator, for whomever they are.
    values = {"report": REPORT, "report_type": "Script Report", "user": reader, "email_to": reader, "format": "CSV"}
    sent = frappe.get_doc({"doctype": "Auto Email Report", "frequency": "Daily", **values})
    with pytest.raises(frappe.PermissionError, match="all organizations"):
        sent.insert()
