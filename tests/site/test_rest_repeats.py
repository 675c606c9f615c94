"""A repeated request, and a time that is now: what clients of REST send again."""

from __future__ import annotations

import frappe
import pytest

from tests.support import factory
from tests.support.http import Client
from tests.support.rest import count, submit

pytestmark = pytest.mark.usefixtures("fresh_limits")


@pytest.fixture
def client(web, alice) -> Client:
    return Client(web).with_token(alice)


def test_a_repeated_request_makes_no_second_job(client):
    client.http.headers["Idempotency-Key"] = "order-7"
    first = submit(client, parameters={"n": 1}).json()["message"]["job_id"]
    assert submit(client, parameters={"n": 2}).json()["message"]["job_id"] == first
    frappe.db.set_value("Background Job", first, "status", "Completed")
    frappe.db.commit()
    again = submit(client, parameters={"n": 1}).json()["message"]
    assert (again["job_id"], again["status"]) == (first, "Completed"), "also when it is done"
    client.http.headers["Idempotency-Key"] = "order-8"
    assert submit(client, parameters={"n": 1}).json()["message"]["job_id"] != first
    assert submit(client, parameters={"n": 3}, dedup_key="own").json()["message"]["job_id"] != first
    assert count() == 3


@pytest.mark.parametrize("deduplication", ["while_unfinished", "never"])
def test_the_key_of_a_request_counts_whatever_the_request_says_of_equal_jobs(client, deduplication):
    # Seen failing: a second job, once the first had ended.
    client.http.headers["Idempotency-Key"] = "order-11"
    first = submit(client, parameters={"n": 1}, deduplication=deduplication).json()["message"]["job_id"]
    frappe.db.set_value("Background Job", first, "status", "Completed")
    frappe.db.commit()
    assert submit(client, parameters={"n": 1}, deduplication=deduplication).json()["message"]["job_id"] == first


def test_an_empty_form_field_does_not_refuse_a_repeated_request(client):
    # Seen failing: 409 for the second.
    client.http.headers["Idempotency-Key"] = "order-10"
    asked = {"job_type": "echo_job", "organization": factory.ALPHA, "on_duplicate": ""}
    answers = [client.post_form("submit_job", **asked) for _time in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[1].text
    assert len({answer.json()["message"]["job_id"] for answer in answers}) == 1


def test_a_key_is_its_users_own(client, web):
    # Seen failing: a colleague's key of the same name kept the job from being made, and an admin got that other job.
    other = factory.user("colleague", factory.ALPHA, org_role="Admin", roles=("Dartwing Admin",))
    admin = Client(web).with_token(other)
    made = []
    for who in (client, admin):
        who.http.headers["Idempotency-Key"] = "order-9"
        answer = submit(who, parameters={"n": len(made)})
        assert answer.status_code == 200, answer.text
        made.append(answer.json()["message"]["job_id"])
    assert made[0] != made[1]


def test_a_job_is_rescheduled_to_now(client):
    # Seen failing: 0 seconds counted as missing.
    job = submit(client, parameters={"n": 1}, available_at=3600).json()["message"]["job_id"]
    answer = client.post("reschedule_job", job_id=job, available_at=0)
    assert answer.status_code == 200, answer.text
    assert client.post("reschedule_job", job_id=job, available_at="").status_code == 400
