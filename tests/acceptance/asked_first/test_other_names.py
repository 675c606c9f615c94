"""A guarded function, endpoint or DocType is not reached by another name or through another function."""

from __future__ import annotations

import sys

import frappe
import pytest

from dartwing_core.wall.substitutes import REPLACED
from tests.support import tenants
from tests.support.named_requests import JOB, method, send


def aliases() -> list[str]:
    """Dotted names under which Frappe serves a function that has a substitute here, besides its own."""
    root = frappe.get_module("frappe.handler").__name__.partition(".")[0]
    return sorted(
        f"frappe.{module.partition('.')[2]}.{name}"
        for module in [name for name in sys.modules if name.startswith(f"{root}.")]
        for name, value in vars(sys.modules[module]).items()
        if getattr(value, "__name__", None) and value in [*REPLACED] and value.__module__ != module
    )


def test_a_substitute_is_not_gone_around_by_another_name(user, job):
    found = aliases()
    assert "frappe.share.follow_document" in found
    body = {"doctype": JOB, "name": "x", "doc_name": "x", "user": "test_bob@example.com", "txt": "x", "docname": "x"}
    for name in found:
        assert send(user, *method(name)[:2], job, body).status_code == 403, name


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("frappe.desk.search.search_link", {"query": "frappe.client.get_count", "txt": "x"}),
        ("frappe.desk.search.search_widget", {"query": "frappe.desk.like.follow_document", "txt": "x"}),
        ("frappe.desk.treeview.get_all_nodes", {"tree_method": "frappe.client.get_count", "parent": "", "label": ""}),
        ("frappe.model.mapper.map_docs", {"method": "frappe.client.get_count", "source_names": "[]", "target_doc": ""}),
        ("frappe.model.mapper.make_mapped_doc", {"method": "frappe.share.follow_document", "source_name": "x"}),
    ],
)  # fmt: skip
def test_nor_by_a_function_that_calls_another(user, job, name, arguments):
    assert send(user, *method(name)[:2], job, {"doctype": JOB, **arguments}).status_code == 403


@pytest.mark.parametrize("called", ["cancel_job", "retry_job"])
def test_an_endpoint_is_not_called_by_get_through_another_function(web, called):
    client, own = tenants.client_of("user", web), tenants.targets("user")["own"]
    tenants.set_status(own.name, "Failed", own.secret)
    frappe.db.commit()
    query = f"frappe.model.mapper.make_mapped_doc?source_name={own.name}&method=dartwing_core.api.jobs.{called}"
    answer = send(client, "GET", f"/api/method/{query}", own.name)
    frappe.db.rollback()
    assert answer.status_code == 405, answer.text
    assert frappe.db.get_value(JOB, own.name, "status") == "Failed"


@pytest.mark.parametrize("doctype", ["RQ Job", "RQ Worker", "rq job"])
def test_the_jobs_of_rq_are_listed_to_nobody_else(stranger, job, doctype):
    body = {"doctype": doctype, "filters": [], "fields": ["name"], "stats": "[]"}
    for name in ("reportview.get", "reportview.get_list", "reportview.get_count", "reportview.get_sidebar_stats"):
        answer = send(stranger, *method(f"frappe.desk.{name}")[:2], job, body)
        assert answer.status_code in (401, 403, 404), (name, answer.text)
    for path in (f"/api/resource/{doctype}", f"/api/v2/doctype/{doctype}/count", f"/api/v2/document/{doctype}"):
        assert send(stranger, "GET", path, job).status_code in (401, 403, 404), path


def test_a_doctype_has_one_spelling(user, job):
    # By another, Frappe finds the DocType, but none of the hooks that are asked for it.
    for doctype in ("background job", "BACKGROUND JOB", "Background Job ", "Organizatio\u0301n"):
        body = {"doctype": doctype, "fields": ["name"], "filters": {}}
        for name in ("client.get_list", "client.get_count", "desk.reportview.get"):
            assert send(user, *method(f"frappe.{name}")[:2], job, body).status_code in (403, 404), (name, doctype)
        assert send(user, "GET", f"/api/resource/{doctype}", job).status_code in (403, 404)
