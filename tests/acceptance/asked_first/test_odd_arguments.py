"""Arguments that nobody sends are bad input, and no error of the guard."""

from __future__ import annotations

import json
import re
import time

import pytest

from dartwing_core.wall.frappe_version import IS_15
from tests.support import factory
from tests.support.http import Client, call
from tests.support.named_requests import JOB
from tests.support.tenants import NOWHERE

ODD = {
    "tags of no list": ("frappe.desk.doctype.tag.tag.add_tags", {"dt": "Organization", "tags": "[]", "docs": "{{"}),
    "tags of numbers": ("frappe.desk.doctype.tag.tag.add_tags", {"dt": "Organization", "tags": "[]", "docs": 7}),
    "a tag that is a list": ("frappe.desk.doctype.tag.tag.get_tagged_docs", {"doctype": JOB, "tag": ["x"]}),
    "a chart that is a list": ("frappe.desk.doctype.dashboard_chart.dashboard_chart.get", {"chart": "[]"}),
    "a chart that is a number": ("frappe.desk.doctype.dashboard_chart.dashboard_chart.get", {"chart": "7"}),
    "a chart that is no JSON": ("frappe.desk.doctype.dashboard_chart.dashboard_chart.get", {"chart": "{{"}),
    "a chart's name that is a list": ("frappe.desk.doctype.dashboard_chart.dashboard_chart.get", {"chart_name": ["x"]}),
    "a filter that is no JSON": ("frappe.client.get", {"doctype": JOB, "filters": "{{"}),
    "a communication that is a list": ("frappe.email.relink", {"name": ["x"]}),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_odd_arguments_are_bad_input(user, web, odd):
    name, arguments = ODD[odd]
    answer = user.http.post(f"{web}/api/method/{name}", json=arguments, timeout=60)
    assert 400 <= answer.status_code < 500, answer.text


ANYTHING = [
    *(None, True, 7, -1, 1e300, "", " ", "x" * 5000, "\ud800", "\x00", "\U0001f600", "JOB-", "::", "' OR 1=1 --"),
    *([], {}, [[]], [{}], [None], "[", "{", "[]", "{}", '"x"', "[" * 3000, "[" * 500 + "]" * 500, '{"doctype": 7}'),
    *({"doctype": None}, {"doctype": [JOB], "name": "x"}, {JOB: ["\ud800"]}, {"doctype": "\ud800", "name": "x"}),
    *({"doctype": "Reminder", "name": "\ud800", "reminder_docname": NOWHERE}, ["JOB-" + "\u00ad" * 400]),
]


@pytest.mark.parametrize(
    "key", ["doctype", "name", "doc", "cmd", "filters", "fields", "reference_doctype", "items", "x"]
)
def test_no_argument_is_too_odd_for_the_guard(user, web, key):
    for value in ANYTHING:
        for path in ("/api/method/frappe.client.get_list", "/api/resource/Reminder", "/api/v2/document/Organization/x"):
            body = {"doctype": "Organization", "name": "x", key: value}
            answer = user.http.request("PUT" if "v2" in path else "POST", web + path, data=json.dumps(body), timeout=60,
                                       headers={"Content-Type": "application/json"})  # fmt: skip
            is_ours = "dartwing_core/api" in ["", *re.findall(r'File \\+"([^"\\]+)', answer.text)][-1]
            assert answer.status_code < 500 or not is_ours, (key, str(value)[:50], path, answer.text[-1500:])
    for path in ("/api", "/api/method", "/api/method/", "/api/resource//x", "/api/v2", "/api/v2/doctype/", "/api/%00"):
        answer = user.http.get(web + path, timeout=60)
        assert answer.status_code < 500 or "dartwing_core/api" not in answer.text, path


def test_long_and_many_names_cost_little(web):
    began = time.monotonic()
    for body in ({"a": "frappe" + ".a" * 1_000_000}, {str(n): f"frappe.m{n}.x" for n in range(2_000)}):
        call(Client(web), "ping", **body)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["job_type", "organization", "depends_on", "dedup_key"])
def test_half_a_character_is_bad_input(web, alice, name):
    body = {"job_type": "echo_job", "organization": factory.ALPHA, name: "\ud800"}
    assert Client(web).with_token(alice).post("submit_job", **body).status_code == 400


def test_numbers_and_dates_out_of_range_are_bad_input(web, alice):
    client = Client(web).with_token(alice)
    assert client.get("list_jobs", limit="Infinity").status_code == 400
    assert client.get("list_jobs", from_date="20260101T000000+99:99").status_code == 400


@pytest.mark.skipif(IS_15, reason="Frappe 15 nests no filters")
def test_too_many_filters_are_refused_at_once(user, web):
    # Seen failing on 16: it took 22 seconds to write the error of 1,100 filters, in a request of 35 kB.
    began = time.monotonic()
    count = "frappe.desk.listview.get_group_by_count"
    for function, key, more in (
        ("frappe.client.get_list", "filters", {}),
        ("frappe.client.get_list", "or_filters", {}),
        (count, "current_filters", {"field": "owner"}),
    ):
        sent = json.dumps([["ToDo", "name", "like", "%x%%y%"]] * 1_100)
        answer = call(user, function, doctype="ToDo", **{key: sent}, **more)
        assert answer.status_code in (400, 417), answer.text[:500]
        fewer = json.dumps([["ToDo", "name", "like", "%x%"]] * 400)
        assert call(user, function, doctype="ToDo", **{key: fewer}, **more).status_code in (200, 403)
    assert time.monotonic() - began < 5


LONG = {
    "frappe.core.api.file.zip_files": ("files", json.dumps([{"name": "x"}] * 20_000)),
    "frappe.core.doctype.deleted_document.deleted_document.bulk_restore": ("docnames", json.dumps(["x"] * 20_000)),
}


@pytest.mark.parametrize("function", LONG)
def test_too_many_names_are_refused_at_once(user, function):
    # Seen failing: any account kept a process busy for 6 to 11 seconds with one request.
    key, names = LONG[function]
    began = time.monotonic()
    answer = call(user, function, **{key: names})
    assert answer.status_code in (400, 417), answer.text[:300]
    assert "at most" in answer.text
    assert time.monotonic() - began < 3
