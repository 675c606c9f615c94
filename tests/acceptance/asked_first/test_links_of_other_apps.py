"""A link of another app's DocType shows no more of a job than its name."""

from __future__ import annotations

import json

import frappe
import pytest

from tests.support import records, tenants
from tests.support.named_requests import JOB, RUN, TRACE, method, send
from tests.support.tenants import NOWHERE


@pytest.fixture
def linking(site):
    """A DocType of another app, that all users read, with a link to jobs."""
    fields = [{"fieldname": "job", "fieldtype": "Link", "options": JOB, "label": "Job"}]
    permissions = [{"role": "All", "read": 1, "write": 1, "create": 1}]
    records.make_doctype("Test Invoice", fields, permissions, module="Core")
    frappe.db.commit()
    yield "Test Invoice"
    records.remove_doctypes("Test Invoice")


def test_a_link_of_another_app_is_no_way_to_a_jobs_fields(web, user, job, linking):
    row = frappe.get_doc({"doctype": linking, "job": job}).insert(ignore_permissions=True)
    frappe.db.commit()
    for fields in (["name", "job.error_message"], ["job.error_message as x"], ["`job` . input_parameters"]):
        for name in ("client.get_list", "desk.reportview.get"):
            answer = send(user, *method(f"frappe.{name}")[:2], job, {"doctype": linking, "fields": fields})
            assert answer.status_code in (403, 417), answer.text
            assert "s3cret" not in answer.text
    chart = {"document_type": linking, "chart_type": "Group By", "group_by_type": "Count", "filters_json": "[]"}
    chart |= {"group_by_based_on": "job.error_message"}
    card = {"document_type": linking, "function": "Sum", "aggregate_function_based_on": "job.attempt"}
    for name, body in (
        ("dashboard_chart.dashboard_chart.get", {"chart": json.dumps(chart), "no_cache": 1}),
        ("number_card.number_card.get_result", {"doc": json.dumps(card), "filters": "[]"}),
    ):
        answer = send(user, *method(f"frappe.desk.doctype.{name}")[:2], job, body)
        assert answer.status_code == 403, answer.text
        assert "s3cret" not in answer.text
    listed = send(user, "GET", f"/api/resource/{linking}?fields=[%22name%22,%22job%22]", job).json()["data"]
    assert [one["job"] for one in listed] == [job], "what the other app shows"
    changed = send(user, "PUT", f"/api/resource/{linking}/{row.name}", job, {"job": "$"})
    assert changed.status_code == 200, "what it holds already"
    for name in (job, NOWHERE):
        other = {"doctype": linking, "job": "$"}
        assert send(user, *method("frappe.client.insert")[:2], name, {"doc": other}).status_code == 404


def test_a_link_of_another_app_shows_no_fields_that_only_admins_read(site, web, user):
    # Seen failing on Frappe 16, whose `expand_links` shows the whole of what is linked to.
    own, doctype = tenants.targets("user")["own"].name, "Test Attempt Link"
    frappe.db.sql(f"UPDATE `tab{RUN}` SET traceback = %s, worker = 'w0rker' WHERE background_job = %s", (TRACE, own))
    attempt = frappe.db.get_value(RUN, {"background_job": own})
    fields = [{"fieldname": "attempt", "fieldtype": "Link", "options": RUN, "label": "Attempt"}]
    records.make_doctype(doctype, fields, [{"role": "All", "read": 1}], module="Core")
    row = frappe.get_doc({"doctype": doctype, "attempt": attempt}).insert(ignore_permissions=True)
    frappe.db.commit()
    try:
        answer = user.http.get(f"{web}/api/resource/{doctype}/{row.name}?expand_links=1", timeout=60)
        assert attempt in answer.text
        assert TRACE not in answer.text
        assert "w0rker" not in answer.text
    finally:
        records.remove_doctypes(doctype)
