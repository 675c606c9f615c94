"""Members neither see nor filter by the fields that only admins read."""

from __future__ import annotations

import json

import frappe
import pytest

from tests.support import tenants
from tests.support.named_requests import LOG, RUN, TRACE

FILTER = {"traceback": ["like", f"%{TRACE}%"]}
ORACLES = {
    "filter": ("frappe.client.get_list", {"doctype": RUN, "filters": FILTER}),
    "listed filter": ("frappe.client.get_list", {"doctype": RUN, "filters": [[RUN, "traceback", "like", "%x%"]]}),
    "or_filters": ("frappe.client.get_list", {"doctype": RUN, "or_filters": FILTER}),
    "order_by": ("frappe.client.get_list", {"doctype": RUN, "order_by": "traceback asc"}),
    "order_by with table": ("frappe.client.get_list", {"doctype": RUN, "order_by": f"`tab{RUN}`.`traceback` asc"}),
    "group_by": ("frappe.client.get_list", {"doctype": RUN, "group_by": "traceback"}),
    "count": ("frappe.client.get_count", {"doctype": RUN, "filters": FILTER}),
    "value": ("frappe.client.get_value", {"doctype": RUN, "fieldname": "name", "filters": FILTER}),
    "value by text": ("frappe.client.get_value", {"doctype": RUN, "fieldname": "name", "filters": json.dumps(FILTER)}),
    "report": ("frappe.desk.reportview.get", {"doctype": RUN, "fields": ["name"], "filters": FILTER}),
    "report's order": ("frappe.desk.reportview.get", {"doctype": RUN, "fields": ["name"], "order_by": "TRACEBACK"}),
    "report's count": ("frappe.desk.reportview.get_count", {"doctype": RUN, "fields": [], "filters": FILTER}),
    "stats": ("frappe.desk.reportview.get_stats", {"doctype": RUN, "stats": '["traceback"]'}),
    "group count": (
        "frappe.desk.listview.get_group_by_count", {"doctype": RUN, "current_filters": "[]", "field": "traceback"}
    ),
    "chart": (
        "frappe.desk.doctype.dashboard_chart.dashboard_chart.get",
        {"chart": {"document_type": RUN, "chart_type": "Group By", "group_by_type": "Count",
                   "group_by_based_on": "traceback"}},
    ),
    "number card": (
        "frappe.desk.doctype.number_card.number_card.get_result",
        {"doc": {"document_type": RUN, "function": "Count"}, "filters": json.dumps([[RUN, "traceback", "like", "%"]])},
    ),
    "list of a portal": ("frappe.www.list.get_list_data", {"doctype": RUN, "traceback": json.dumps(["like", "%"])}),
    "escaped": ("frappe.client.get_list", {"doctype": RUN, "filters": '{"trace\\u0062ack": ["like", "%x%"]}'}),
    "worker": ("frappe.client.get_list", {"doctype": RUN, "filters": {"worker": ["like", "%"]}}),
    "worker of a change": ("frappe.client.get_list", {"doctype": LOG, "filters": [[LOG, "worker", "like", "%"]]}),
    "RQ's id": ("frappe.client.get_list", {"doctype": RUN, "order_by": "rq_job_id desc"}),
    "connection": ("frappe.client.get_list", {"doctype": RUN, "filters": [["connection_id", ">", 0]]}),
}  # fmt: skip


@pytest.mark.parametrize("way", ORACLES)
def test_no_member_filters_by_what_only_admins_read(user, web, job, way):
    name, arguments = ORACLES[way]
    answer = user.http.post(f"{web}/api/method/{name}", json=arguments, timeout=60)
    assert answer.status_code == 403, answer.text


def test_admins_and_all_lists_work_as_before(user, web, job):
    admin = tenants.client_of("admin_a", web)
    name, arguments = ORACLES["filter"]
    found = admin.http.post(f"{web}/api/method/{name}", json=arguments, timeout=60)
    assert found.json()["message"], "an admin of the job's organization"
    listed = user.http.get(f"{web}/api/resource/{RUN}", params={"fields": '["*"]'}, timeout=60).json()["data"]
    assert listed
    assert all("traceback" not in row for row in listed)


@pytest.mark.parametrize("field", ["""elt(2, "'", traceback, "'")""", "left(traceback, 30)"])
def test_no_column_of_a_report_shows_what_only_admins_read(user, web, job, field):
    # Seen failing on Frappe 15: what stands between two quoted quotes was taken for quoted itself.
    body = {"doctype": RUN, "field": field}
    name = "frappe.desk.query_report.get_data_for_custom_field"
    answer = user.http.post(f"{web}/api/method/{name}", json=body, timeout=60)
    assert answer.status_code >= 400
    assert TRACE not in answer.text


@pytest.mark.parametrize(
    "more",
    [
        {"fields": [f"`tab{RUN}`.`name` as `a'`, left(traceback, 99) as `b'`"]},
        {"fields": [f"`tab{RUN}`.`name`,`tab{RUN}`.`traceback`"]},
        {"fields": [f"`tab{RUN}`.`name`, `tab{RUN}`.*"]},
        {"fields": [f"`tab{RUN}`.`name` as `a'`"], "order_by": "`a'`, traceback, `a'`"},
    ],
)
def test_no_quote_within_a_name_hides_what_only_admins_read(user, web, job, more):
    body = {"doctype": RUN, **more}
    answer = user.http.post(f"{web}/api/method/frappe.client.get_list", json=body, timeout=60)
    assert answer.status_code >= 400
    assert TRACE not in answer.text


def test_an_answer_with_the_document_leaves_out_what_only_admins_read(user, web):
    # Seen failing: `docs` held the whole row.
    own = tenants.targets("user")["own"].name
    frappe.db.sql(f"UPDATE `tab{RUN}` SET traceback = %s, worker = 'w0rker' WHERE background_job = %s", (TRACE, own))
    name = frappe.db.get_value(RUN, {"background_job": own})
    frappe.db.commit()
    body = {"dt": RUN, "dn": name, "method": "add_comment", "args": json.dumps({"text": "x"})}
    answer = user.http.post(f"{web}/api/method/run_doc_method", json=body, timeout=60)
    assert name in json.dumps(answer.json().get("docs")), answer.text
    assert TRACE not in answer.text
    assert "w0rker" not in answer.text


def test_no_function_shows_what_only_admins_read(user, web, job):
    fields = ["name", "max(worker) as w"]
    body = {"doctype": RUN, "fields": fields}
    answer = user.http.post(f"{web}/api/method/frappe.client.get_list", json=body, timeout=60)
    assert answer.status_code >= 400 or all(set(row) <= {"name"} for row in answer.json()["message"]), answer.text


HARMLESS = {
    "value": {"doctype": RUN, "filters": [["error_message", "!=", "the worker"]]},
    "values": {"doctype": RUN, "filters": [["outcome", "not in", ["traceback", "worker"]]]},
    "value of a field": {"doctype": RUN, "filters": {"name": ["!=", "worker"], "owner": ["!=", "worker"]}},
    "shown": {"doctype": RUN, "fields": ["name", "worker", f"`tab{RUN}`.`traceback`"]},
}


@pytest.mark.parametrize("way", HARMLESS)
def test_members_may_use_the_words_that_name_what_only_admins_read(user, web, job, way):
    answer = user.http.post(f"{web}/api/method/frappe.client.get_list", json=HARMLESS[way], timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"]
    assert all(set(row) <= {"name"} for row in answer.json()["message"])
