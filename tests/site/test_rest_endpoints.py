"""The REST endpoints over HTTP (regression 6), and what clients send again."""

from __future__ import annotations

import json

import frappe
import pytest

from tests.support import factory, http
from tests.support.http import Client
from tests.support.rest import count, submit

pytestmark = pytest.mark.usefixtures("fresh_limits")
PASSWORD = "correct-horse-battery"
OLD = "/api/method/dartwing.dartwing_core.api.jobs.get_job_status"


@pytest.fixture
def browser(web, alice) -> Client:
    http.set_password(alice, PASSWORD)
    return Client(web).log_in(alice, PASSWORD)


def made(client: Client, **more) -> dict:
    answer = submit(client, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()["message"]


def end(job_id: str, status: str = "Completed", **values) -> None:
    frappe.db.rollback()
    frappe.db.set_value("Background Job", job_id, {"status": status, "attempt": 1, "in_line": 0, **values})
    frappe.db.commit()


def test_a_job_is_submitted_looked_at_canceled_and_not_retried(browser):
    job = made(browser, parameters={"a": 1}, title="By REST", available_at=3600)
    assert job["message"] == "Job submitted successfully"
    status = browser.get("get_job_status", job_id=job["job_id"]).json()["message"]
    assert (status["job_id"], status["status"], status["title"]) == (job["job_id"], "Pending", "By REST")
    listed = browser.get("list_jobs", limit=5).json()["message"]
    assert [one["job_id"] for one in listed["jobs"]] == [job["job_id"]]
    assert (listed["total"], listed["limit"], listed["offset"]) == (1, 5, 0)
    history = browser.get("get_job_history", job_id=job["job_id"]).json()["message"]
    assert [event["to_status"] for event in history["history"]] == ["Pending"]
    canceled = browser.post("cancel_job", job_id=job["job_id"], reason="not needed").json()["message"]
    assert (canceled["status"], canceled["message"]) == ("Canceled", "Job canceled successfully")
    for call in ("cancel_job", "retry_job"):
        answer = browser.post(call, job_id=job["job_id"])
        assert (answer.status_code, answer.json()["error"]) == (400, "wrong_state")
    answer = browser.http.get(browser.url + OLD, params={"job_id": job["job_id"]}, timeout=30)
    assert answer.json()["message"]["job_id"] == job["job_id"], "the original's names answer too"


def test_form_fields_may_hold_json(client):
    fields = {"parameters": json.dumps({"a": 1}), "available_at": "3600", "on_duplicate": ""}
    answer = client.post_form("submit_job", job_type="echo_job", organization=factory.ALPHA, **fields)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"]["status"] == "Pending"


def test_a_post_without_csrf_token_is_refused(browser):
    del browser.http.headers["X-Frappe-CSRF-Token"]
    assert submit(browser).status_code == 400
    assert count() == 0


def test_a_running_job_is_not_said_to_be_canceled(client):
    job_id = made(client)["job_id"]
    end(job_id, "Running")
    canceled = client.post("cancel_job", job_id=job_id).json()["message"]
    assert (canceled["status"], canceled["message"]) == ("Running", "The job is being canceled.")


# Sent again ----------------------------------------------------------------------------------------------------------


def test_a_duplicate_is_409_and_names_the_first_or_is_returned(client):
    first = made(client, parameters={"a": 1})["job_id"]
    answer = submit(client, parameters={"a": 1})
    body = answer.json()
    assert (answer.status_code, body["error"]) == (409, "duplicate")
    assert (body["existing_job_id"], body["status"]) == (first, "Queued")
    assert made(client, parameters={"a": 1}, on_duplicate="return")["job_id"] == first


@pytest.mark.parametrize("more", [{}, {"deduplication": "while_unfinished"}, {"deduplication": "never"}])
def test_a_repeated_request_makes_no_second_job(client, more):
    # Seen failing: a second job, once the first had ended.
    client.http.headers["Idempotency-Key"] = "order-7"
    first = made(client, parameters={"n": 1}, **more)["job_id"]
    assert made(client, parameters={"n": 2}, **more)["job_id"] == first
    end(first)
    again = made(client, parameters={"n": 1}, **more)
    assert (again["job_id"], again["status"]) == (first, "Completed"), "also when it is done"
    client.http.headers["Idempotency-Key"] = "order-8"
    assert made(client, parameters={"n": 1}, **more)["job_id"] != first
    assert made(client, parameters={"n": 3}, dedup_key="own")["job_id"] != first
    assert count() == 3


def test_a_key_counts_for_one_type_until_its_job_is_canceled(client):
    # Seen failing with the key alone in `dedup_hash`: the job of another type was answered.
    client.http.headers["Idempotency-Key"] = "order-7"
    first, other = made(client)["job_id"], made(client, job_type=factory.job_type("plain"))["job_id"]
    assert first != other
    end(first, "Canceled")
    assert made(client)["job_id"] not in (first, other)


def test_a_key_is_its_users_own(client, web):
    # Seen failing: a colleague's key of the same name kept the job from being made, and an admin got that other job.
    admin = factory.user("colleague", factory.ALPHA, org_role="Admin", roles=("Dartwing Admin",))
    found = []
    for who in (client, Client(web).with_token(admin)):
        who.http.headers["Idempotency-Key"] = "order-9"
        found.append(made(who, parameters={"n": len(found)})["job_id"])
    assert found[0] != found[1]
