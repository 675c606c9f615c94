"""The REST endpoints over HTTP (regressions 6, 12, 47)."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs import submit_job
from tests.support import factory, http
from tests.support.http import Client

PASSWORD = "correct-horse-battery"


@pytest.fixture
def client(web, alice) -> Client:
    frappe.db.commit()
    http.set_password(alice, PASSWORD)
    return Client(web).log_in(alice, PASSWORD)


@pytest.fixture
def foreign(bob) -> str:
    frappe.set_user(bob)
    job = submit_job("echo_job", factory.BETA, {"secret": 1})
    frappe.db.commit()
    frappe.set_user("Administrator")
    return job.name


def submit(client: Client, **more) -> dict:
    answer = client.post("submit_job", job_type="echo_job", organization=factory.ALPHA, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()["message"]


def test_submit_status_list_and_history(client):
    made = submit(client, parameters={"a": 1})
    assert made["message"] == "Job submitted successfully"
    status = client.get("get_job_status", job_id=made["job_id"]).json()["message"]
    assert (status["job_id"], status["status"], status["job_type"]) == (made["job_id"], "Queued", "echo_job")
    listed = client.get("list_jobs", limit=5).json()["message"]
    assert [job["job_id"] for job in listed["jobs"]] == [made["job_id"]]
    assert (listed["total"], listed["limit"], listed["offset"]) == (1, 5, 0)
    history = client.get("get_job_history", job_id=made["job_id"]).json()["message"]
    assert [event["to_status"] for event in history["history"]] == ["Pending", "Queued"]


def test_a_title_is_taken_and_told(client):
    job = client.post("submit_job", job_type="echo_job", organization=factory.ALPHA, title="By REST").json()["message"]
    assert client.get("get_job_status", job_id=job["job_id"]).json()["message"]["title"] == "By REST"
    one = {"job_type": "echo_job", "parameters": {"n": 1}, "title": "Member"}
    batch = client.post("submit_batch", organization=factory.ALPHA, jobs=[one], on_complete={**one, "title": "Done"})
    assert batch.status_code == 200, batch.text


def test_form_fields_may_hold_json(client):
    answer = client.post_form(
        "submit_job",
        job_type="echo_job",
        organization=factory.ALPHA,
        parameters=json.dumps({"a": 1}),
        available_at="3600",
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"]["status"] == "Pending"


def test_an_api_key_works_too(web, alice):
    assert submit(Client(web).with_token(alice))["job_id"]


def test_a_post_without_csrf_token_is_refused(client):
    del client.http.headers["X-Frappe-CSRF-Token"]
    answer = client.post("submit_job", job_type="echo_job", organization=factory.ALPHA)
    assert answer.status_code == 400
    frappe.db.rollback()
    assert frappe.db.count("Background Job", {"organization": factory.ALPHA}) == 0


def test_guests_get_nothing(web):
    guest = Client(web)
    for answer in (
        guest.get("list_jobs"),
        guest.get("get_job_status", job_id="JOB-NOWHERE"),
        guest.post("submit_job", job_type="echo_job", organization=factory.ALPHA),
    ):
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
        assert "Traceback" not in answer.text


def test_a_duplicate_is_409_and_names_the_first(client):
    made = submit(client, parameters={"a": 1})
    answer = client.post("submit_job", job_type="echo_job", organization=factory.ALPHA, parameters={"a": 1})
    assert answer.status_code == 409
    body = answer.json()
    assert (body["existing_job_id"], body["status"], body["error"]) == (made["job_id"], "Queued", "duplicate")


@pytest.mark.parametrize("call", ["get_job_status", "get_job_history"])
def test_foreign_and_missing_jobs_are_the_same_404(client, foreign, call):
    answers = [client.get(call, job_id=job_id) for job_id in (foreign, "JOB-NOWHERE")]
    assert [answer.status_code for answer in answers] == [404, 404]
    texts = {answer.text.replace(foreign, "X").replace("JOB-NOWHERE", "X") for answer in answers}
    assert len(texts) == 1


def test_lists_hold_only_own_jobs(client, foreign):
    assert client.get("list_jobs").json()["message"]["jobs"] == []
    assert client.get("list_jobs", organization=factory.BETA).json()["message"]["total"] == 0


def test_a_running_job_is_not_said_to_be_canceled(client):
    made = submit(client)
    frappe.db.set_value("Background Job", made["job_id"], {"status": "Running", "attempt": 1, "in_line": 0})
    frappe.db.commit()
    canceled = client.post("cancel_job", job_id=made["job_id"]).json()["message"]
    assert (canceled["status"], canceled["message"]) == ("Running", "The job is being canceled.")


def test_cancel_and_retry(client):
    made = submit(client, available_at=3600)
    canceled = client.post("cancel_job", job_id=made["job_id"], reason="not needed").json()["message"]
    assert (canceled["status"], canceled["message"]) == ("Canceled", "Job canceled successfully")
    assert client.post("cancel_job", job_id=made["job_id"]).status_code == 400
    assert client.post("retry_job", job_id=made["job_id"]).status_code == 400


def test_the_originals_names_answer_too(client):
    made = submit(client)
    url = f"{client.url}/api/method/dartwing.dartwing_core.api.jobs.get_job_status"
    answer = client.http.get(url, params={"job_id": made["job_id"]}, timeout=30)
    assert answer.json()["message"]["job_id"] == made["job_id"]


def test_several_jobs_at_once(client):
    jobs = [{"job_type": "echo_job", "organization": factory.ALPHA, "parameters": {"n": n}} for n in range(3)]
    answer = client.post("submit_jobs", jobs=jobs)
    assert len(answer.json()["message"]["jobs"]) == 3


def test_dead_letters_are_listed_retried_and_not_deleted_by_users(client):
    made = submit(client)
    frappe.db.rollback()
    frappe.db.set_value("Background Job", made["job_id"], {"status": "Dead Letter", "attempt": 1})
    frappe.db.commit()
    listed = client.get("get_dead_letter_jobs").json()["message"]["jobs"]
    assert [job["job_id"] for job in listed] == [made["job_id"]]
    assert client.post("delete_dead_letter_job", job_id=made["job_id"]).status_code == 403
    retried = client.post("bulk_retry_dead_letter").json()["message"]
    assert retried == {"retried": [made["job_id"]], "skipped": {}}


def test_a_duplicate_may_be_returned(client):
    made = submit(client, parameters={"a": 1})
    assert submit(client, parameters={"a": 1}, on_duplicate="return")["job_id"] == made["job_id"]
