"""The Python client of one file: what it is made of, and its calls to a real site."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Iterator
from contextlib import closing
from types import ModuleType
from typing import Any

import frappe
import pytest

import dartwing_core.api.jobs  # noqa: F401 - registers the endpoints
from dartwing_core.api import openapi
from dartwing_core.api.registry import ENDPOINTS
from standalone import rest_client
from tests.support import factory, http, processes
from tests.support.receiver import Answer, Receiver

MODULE = "dartwing_jobs"


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, rest_client.FILE)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def jobs(module, web, alice) -> Iterator[Any]:
    http.forget_limits()
    key, secret = http.new_token(alice).split(":")
    return module.Client(web, key, secret)


def test_the_committed_client_is_current():
    # Renew it with: ./dev api
    assert rest_client.FILE.read_text() == rest_client.client(openapi.describe())


def test_it_has_a_documented_method_for_each_endpoint(module):
    (client,) = [
        node
        for node in ast.parse(rest_client.FILE.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Client"
    ]
    methods = {node.name: ast.get_docstring(node) for node in client.body if isinstance(node, ast.FunctionDef)}
    assert ENDPOINTS.keys() <= methods.keys()
    assert all(methods[name] for name in ENDPOINTS)


def test_a_job_is_submitted_and_awaited_and_found(jobs):
    made = jobs.submit_job(
        "echo_job", organization=factory.ALPHA, parameters={"hello": "wörld"}, title="By client", tags=["client"]
    )
    worker = processes.start_worker()
    try:
        done = jobs.wait_for_job(made["job_id"], seconds=20)
    finally:
        worker.stop()
    assert (done["status"], done["title"]) == ("Completed", "By client")
    assert [job["job_id"] for job in jobs.list_jobs(tag="client", limit=5)["jobs"]] == [made["job_id"]]
    assert jobs.list_schedules(enabled=True)["total"] == 0
    assert jobs.get_openapi() == json.loads(json.dumps(openapi.describe()))
    assert frappe.db.exists("Background Job", made["job_id"])


def test_a_request_that_is_repeated_with_its_key_makes_one_job(jobs):
    def submit(key: str) -> str:
        return jobs.submit_job("echo_job", organization=factory.ALPHA, idempotency_key=key)["job_id"]

    assert submit("order 1") == submit("order 1") != submit("order 2")


def test_an_error_says_what_and_why(jobs, module):
    with pytest.raises(module.ApiError, match="not found") as error:
        jobs.get_job_status("JOB-NONE")
    assert (error.value.status, error.value.kind, error.value.retry_after) == (404, "not_found", None)
    with pytest.raises(module.ApiError, match="Unknown Job Type") as error:
        jobs.submit_job("no_such_type", organization=factory.ALPHA)
    assert error.value.kind == "invalid"
    stranger = module.Client(jobs._base.partition("/api/")[0], "no", "key")
    with pytest.raises(module.ApiError) as error:
        stranger.get_job_counts()
    assert error.value.status == 401


def test_the_key_does_not_follow_a_redirect(module):
    with closing(Receiver()) as elsewhere, closing(Receiver()) as site:
        site.answers = [Answer(302, headers=(("Location", elsewhere.url()),))]
        with pytest.raises(module.ApiError) as error:
            module.Client(site.url(), "key", "secret").cancel_job("JOB-1")
        assert (error.value.status, elsewhere.requests) == (302, [])
