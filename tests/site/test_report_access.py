"""The app's reports are computed for their reader alone: Frappe neither prepares nor mails them."""

from __future__ import annotations

import frappe
import pytest
from frappe.desk import query_report

from tests.support import factory
from tests.support.jobs import submitted_by
from tests.support.sessions import as_user

REPORTS = ("Dead Letters by Error", "Job Type Performance")


@pytest.fixture
def reader(site) -> str:
    """An admin of Alpha with a job."""
    user = factory.user("report_reader", factory.ALPHA, org_role="Admin", roles=("Dartwing Admin",))
    submitted_by(user, factory.job_type("plain"))
    return user


def made(report: str) -> list[dict]:
    return query_report.run(report, filters={})["result"]


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_is_not_made_in_a_background_job(reader, report, monkeypatch):
    as_user(reader, made, report)
    monkeypatch.setattr(frappe.local, "job", frappe._dict(), raising=False)
    monkeypatch.setitem(frappe.local.job, "method", "frappe.core.doctype.prepared_report.prepared_report.generate")
    with pytest.raises(frappe.PermissionError, match="neither prepared nor mailed"):
        as_user(reader, made, report)
