"""A filter is no SQL, whichever function of Frappe it is sent to."""

from __future__ import annotations

import json

import pytest

from tests.support.http import call
from tests.support.sent_sql import EVERYTHING, JOB, SECRET

SQL_FILTERS = {
    "groups": (
        "frappe.desk.listview.get_group_by_count",
        {"doctype": JOB, "current_filters": json.dumps(EVERYTHING), "field": "input_parameters"},
    ),
    "files": (
        "frappe.desk.listview.get_group_by_count",
        {"doctype": "File", "current_filters": json.dumps(EVERYTHING), "field": "file_name"},
    ),
    "a card": (
        "frappe.desk.doctype.number_card.number_card.get_result",
        {"doc": json.dumps({"document_type": JOB, "function": "Count"}), "filters": json.dumps(EVERYTHING)},
    ),
    "a card's own": (
        "frappe.desk.doctype.number_card.number_card.get_result",
        {"doc": json.dumps({"document_type": JOB, "function": "Count", "filters_json": json.dumps(EVERYTHING)}),
         "filters": "[]"},
    ),
    "a list": ("frappe.client.get_list", {"doctype": JOB, "filters": EVERYTHING}),
    "a field": (
        "frappe.desk.listview.get_group_by_count",
        {"doctype": JOB, "field": "input_parameters",
         "current_filters": json.dumps([[JOB, "ifnull(1,1)=1||1", "=", "1"]])},
    ),
    "a field of a calendar": (
        "frappe.desk.calendar.get_events",
        {"doctype": JOB, "start": "2020-01-01", "end": "2030-01-01", "filters": "[]",
         "field_map": json.dumps({"start": "creation", "end": "1,1)=1||ifnull(1", "title": "input_parameters"})},
    ),
    "a quoted field of a calendar": (
        "frappe.desk.calendar.get_events",
        {"doctype": JOB, "start": "2020-01-01", "end": "0000", "fields": '["name", "input_parameters"]',
         "field_map": json.dumps({"start": "creation`,'2')='z' or 1=1 or ifnull(`creation", "end": "modified",
                                  "title": "name"})},
    ),
    "two fields in one": (
        "frappe.desk.listview.get_group_by_count",
        {"doctype": JOB, "field": "input_parameters",
         "current_filters": json.dumps([[JOB, f"name` is not null or `tab{JOB}`.`name", "=", "x"]])},
    ),
    "two texts": (
        "frappe.desk.listview.get_group_by_count",
        {"doctype": "User", "field": "enabled",
         "current_filters": json.dumps([["name", "!=", "x"], "exists(select 1", f"1 from `tab{JOB}`)"])},
    ),
    "a calendar": (
        "frappe.desk.doctype.event.event.get_events",
        {"start": "2026-01-01", "end": "2026-01-02", "filters": json.dumps([f"exists(select 1 from `tab{JOB}`)"])},
    ),
    "a heat map": (
        "frappe.desk.doctype.dashboard_chart.dashboard_chart.get",
        {"chart": {"document_type": "User", "chart_type": "Count", "type": "Heatmap", "based_on": "creation"},
         "filters": [["User", "name", "!=", "x"], f"exists(select 1 from `tab{JOB}`)"]},
    ),
    "a count": ("frappe.client.get_count", {"doctype": JOB, "filters": EVERYTHING}),
}  # fmt: skip


@pytest.mark.parametrize("way", SQL_FILTERS)
def test_a_filter_is_no_sql(stranger, job, way):
    # Frappe 15 puts a text in a list of filters into the query, before what a permission adds with AND.
    name, body = SQL_FILTERS[way]
    answer = call(stranger, name, **body)
    assert answer.status_code >= 400 or answer.json().get("message") in (0, [], None), answer.text
    assert SECRET not in answer.text
    assert job[0].name not in answer.text
