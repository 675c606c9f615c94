"""Calls of REST: odd, large, unknown or missing arguments are refused in few words; answers are as declared."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import frappe
import pytest

from dartwing_core import hooks
from dartwing_core.api import arguments, jobs
from dartwing_core.api.endpoints import ENDPOINTS, PREFIX, REPEATABLE, ErrorAnswer
from dartwing_core.jobs import batch, get_batch_status, job
from dartwing_core.jobs.operations.dead_letters import dead_letters_by_error
from tests.support import circuits, factory, files, http, schedules, web_request
from tests.support.http import API, check_message
from tests.support.jobs import run, submitted, submitted_with
from tests.support.rest import ask, count
from tests.support.settings import settings

pytestmark = pytest.mark.usefixtures("no_sweeps")
LONG = "x" * 200_000
ODD = [
    " ", 0, -1, 2**63, 1.5, math.pi * 1e300, math.nan, True, [], {}, [[]], {"a": {"b": [None]}}, "' OR 1=1 --",
    "%s%(a)s", "\u0000", "../../etc/passwd", "null", "[1,2", '{"a":1}', "[" * 5000, "JOB-NOWHERE", ["JOB-NOWHERE"],
    "9999-12-31", "1e400", "\ud83d", ["\ud83d"], LONG, [LONG], {LONG: LONG},
]  # fmt: skip
IDS = [f"JOB-1K{number:018d}" for number in range(100_000)]
OF_THE_ORIGINAL = {
    "submit_job", "cancel_job", "retry_job", "get_job_status", "list_jobs", "get_job_history", "get_job_metrics",
    "get_dead_letter_jobs", "delete_dead_letter_job", "bulk_retry_dead_letter", "get_execution_time_stats",
    "get_slowest_jobs", "get_open_circuits", "manually_close_circuit",
}  # fmt: skip
MOST_SECONDS = 2
"""For the refusal of 100,000 names, which takes 0.1 to 0.5 seconds on an idle machine."""


@pytest.fixture
def unlimited() -> Iterator[None]:
    http.forget_limits()
    with settings(**{f"{name}_limit": 100_000 for name in ("submit", "status", "list", "cancel", "metrics")}):
        yield


def test_the_calls_of_the_original_app_answer_at_its_address():
    named = {PREFIX + name for name in OF_THE_ORIGINAL}
    assert hooks.override_whitelisted_methods == {f"dartwing.{name}": name for name in named}
    assert set(ENDPOINTS) >= OF_THE_ORIGINAL


@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - {"get_openapi"}))
def test_no_odd_argument_is_a_server_error_or_is_echoed_at_length(unlimited, alice, name):
    # Seen failing: a name of 5 MB was answered with 10 MB.
    good = {"job_type": "echo_job", "organization": factory.ALPHA} if name == "submit_job" else {}
    for argument in ENDPOINTS[name].arguments.model_fields:
        for value in ODD:
            answer = ask(alice, name, **{**good, argument: value})
            if isinstance(answer, ErrorAnswer):
                text = answer.get_data(as_text=True)
                assert answer.status_code < 500, (argument, value, text)
                assert "x" * 150 not in text
                assert len(text) < 5_000, (argument, value)
    assert count() == 0


JOB = {"job_type": "echo_job", "organization": factory.ALPHA}


@pytest.mark.parametrize(
    ("name", "sent", "text"),
    [
        ("submit_job", {**JOB, "job_type": "nowhere"}, "Unknown Job Type: nowhere."),
        ("submit_job", {**JOB, "job_type": None}, "job_type is missing."),
        ("submit_job", {**JOB, "job_type": 5}, "job_type must be text."),
        ("submit_job", {**JOB, "parameters": [1]}, "parameters must be an object."),
        ("submit_job", {**JOB, "parameters": "{not json"}, "parameters is not valid JSON."),
        ("submit_job", {**JOB, "priority": "Urgent"}, "priority must be one of: Low, Normal, High, Critical."),
        # Seen failing: taken for an argument that is not given.
        ("submit_job", {**JOB, "priority": {}}, "priority must be one of: Low, Normal, High, Critical."),
        ("submit_job", {**JOB, "available_at": "someday"}, "available_at is not a time: someday."),
        ("submit_job", {**JOB, "available_at": []}, "available_at must be a time (ISO 8601), or a number of seconds"),
        ("submit_job", {**JOB, "dedup_key": " "}, "dedup_key is missing"),
        ("submit_job", {**JOB, "dedup_key": LONG}, "dedup_key is longer than 10000 characters."),
        ("submit_job", {**JOB, "title": "\ud83d"}, "title is not valid text."),
        ("submit_job", {**JOB, "timeout": "ten"}, "timeout must be a whole number."),
        ("submit_job", {**JOB, "timeout": "1.5"}, "timeout must be a whole number."),
        ("submit_job", {**JOB, "timeout": "9999"}, "timeout"),
        ("submit_job", {**JOB, "tags": "month end"}, "tags must be a list."),
        ("submit_job", {**JOB, "tags": [7]}, "tags[0] must be text."),
        ("submit_job", {**JOB, "reference": {"doctype": "ToDo"}}, "reference.name is missing."),
        ("submit_job", {**JOB, "depends_on": "JOB-NOWHERE"}, "not found in this organization"),
        # Seen failing: the job was made, and depended on nothing.
        ("submit_job", {**JOB, "depends_on": {}}, "depends_on must be the id of a job, or a list of ids."),
        ("submit_job", {**JOB, "depends_on": 0}, "depends_on must be the id of a job, or a list of ids."),
        ("submit_job", {**JOB, "paramters": {}}, "paramters is unknown: did you mean parameters?"),
        ("submit_job", {**JOB, "colour": "red"}, "colour is unknown (known: available_at, dedup_key"),
        ("submit_jobs", {"jobs": {}}, "jobs must be a list."),
        ("submit_jobs", {"jobs": [JOB, 5]}, "jobs[1] must be an object."),
        ("submit_jobs", {"jobs": [{**JOB, "colour": "red"}]}, "jobs[0].colour is unknown."),
        ("cancel_job", {}, "job_id is missing."),
        ("reschedule_job", {"job_id": "JOB-1", "available_at": ""}, "available_at is missing."),
        ("list_jobs", {"limit": "many"}, "limit must be a whole number."),
        ("list_jobs", {"status": "Sleeping"}, "status must be one of: Pending, Queued, Running"),
        ("list_jobs", {"order_by": "1; DROP TABLE x"}, "order_by must be one of"),
        ("list_schedules", {"enabled": "maybe"}, "enabled must be true or false."),
        ("preview_schedule", {"cron": "x"}, "cron"),
    ],
)
def test_bad_input_is_answered_clearly(unlimited, alice, name, sent, text):
    answer = ask(alice, name, **sent)
    assert isinstance(answer, ErrorAnswer)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid")
    assert text in answer.get_json()["message"]
    assert count() == 0


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("submit_job", {**JOB, "timeout": "10", "max_retries": "1", "available_at": "3600", "parameters": '{"a": 1}'}),
        ("submit_job", {**JOB, "timeout": "", "priority": None, "on_duplicate": "", "depends_on": [], "tags": '["a"]'}),
        ("submit_job", {**JOB, "cmd": "x", "csrf_token": "x", "lang": "en", "_": "1795793120"}),
        *(("list_jobs", paging) for paging in ({"limit": -1}, {"offset": "-5"}, {"limit": 10**6})),
        *(("list_schedules", {"enabled": value}) for value in ("true", "false", "1", "0", True, False, "")),
    ],
)
def test_forms_and_queries_hold_text_and_what_browsers_add(unlimited, alice, name, sent):
    answer = ask(alice, name, **sent)
    assert not isinstance(answer, ErrorAnswer), answer.get_data(as_text=True)


def test_true_and_false_are_told_apart():
    # Seen failing: list_schedules(enabled=true) listed those that are not enabled.
    model = ENDPOINTS["list_schedules"].arguments
    read = [arguments.read(model, {"enabled": text}) for text in ("true", "0", "")]
    assert read == [{"enabled": True}, {"enabled": False}, {}]


def test_an_endpoint_of_another_app_has_arguments_of_its_own(site):
    with web_request.made("GET", "/api/method/another_app.api.overview", "Administrator", {"colour": "red"}):
        assert jobs.list_jobs(limit=1)["limit"] == 1
    assert jobs.list_jobs(limit=1)["limit"] == 1, "a call from Python"


@pytest.mark.parametrize(
    ("name", "argument"),
    [("retry_jobs", "job_ids"), ("bulk_retry_dead_letter", "fingerprints")],
)
def test_a_hundred_thousand_ids_are_refused_at_once(unlimited, alice, name, argument):
    # Seen failing: with each limit taken away.
    began = time.monotonic()
    answer = ask(alice, name, **{argument: IDS})
    assert time.monotonic() - began < MOST_SECONDS
    assert answer.status_code == 400
    assert "t most" in answer.get_json()["message"]


# Answers ------------------------------------------------------------------------------------------------------------


WAY_TO_FAIL = {"duration": 0, "fail_type": "permanent"}


def any_job() -> dict[str, Any]:
    return {"job_type": "echo_job", "organization": factory.ALPHA, "parameters": {"n": frappe.generate_hash()}}


def waiting() -> dict[str, str]:
    return {"job_id": submitted_with("echo_job", parameters=any_job()["parameters"], available_at=7200).name}


def completed() -> dict[str, str]:
    made = submitted("echo_job", n=frappe.generate_hash())
    assert run(made)["status"] == "Completed"
    return {"job_id": files.given(made, name="list.txt").name}


def dead() -> dict[str, str]:
    made = submitted("sample_job", **WAY_TO_FAIL, n=frappe.generate_hash())
    assert run(made)["status"] == "Dead Letter"
    return {"job_id": made.name}


def dead_letters() -> dict[str, list[str]]:
    dead()
    return {"fingerprints": [row["fingerprint"] for row in dead_letters_by_error(factory.ALPHA)]}


def running_batch() -> dict[str, str]:
    made = batch(job("echo_job", any_job()["parameters"])).submit(factory.ALPHA)
    frappe.db.commit()
    return {"batch_id": made.name}


def failed_batch() -> dict[str, str]:
    made = batch(job("sample_job", WAY_TO_FAIL)).submit(factory.ALPHA)
    frappe.db.commit()
    run(frappe.get_doc("Background Job", {"parent_batch": made.name}))
    assert get_batch_status(made.name)["status"] == "Failed"
    return {"batch_id": made.name}


def schedule() -> dict[str, str]:
    return {"schedule_id": schedules.made(factory.job_type("scheduled")).name}


def open_circuit() -> dict[str, str]:
    job_type = circuits.breaking_type()
    circuits.opened(job_type)
    return {"job_type": job_type, "organization": factory.ALPHA}


def several() -> dict[str, list[str]]:
    return {"job_ids": [waiting()["job_id"], dead()["job_id"]]}


def of_job_type() -> dict[str, str]:
    return {"job_type": open_circuit()["job_type"]}


def after(*makers: Any) -> Any:
    """No arguments, after these have made something to show."""

    def make() -> dict[str, Any]:
        for maker in makers:
            maker()
        return {}

    return make


CALLS = {
    "submit_job": any_job,
    "submit_jobs": lambda: {"jobs": [any_job(), any_job()]},
    "submit_batch": lambda: {"organization": factory.ALPHA, "jobs": [{"chain": [any_job(), any_job()]}]},
    "run_schedule_now": schedule,
    "cancel_job": waiting,
    "cancel_jobs": several,
    "cancel_all_jobs": lambda: waiting() and {"organization": factory.ALPHA},
    "cancel_batch": running_batch,
    "retry_job": dead,
    "retry_jobs": several,
    "retry_batch": failed_batch,
    "bulk_retry_dead_letter": dead_letters,
    "reschedule_job": lambda: {**waiting(), "available_at": 0},
    "run_now": waiting,
    "delete_jobs": several,
    "delete_dead_letter_job": dead,
    "manually_close_circuit": open_circuit,
    "get_job_status": waiting,
    "wait_for_job": completed,
    "get_job_details": completed,
    "get_job_history": completed,
    "get_batch_status": failed_batch,
    "get_schedule": schedule,
    "preview_schedule": lambda: {"cron": "0 7 * * *"},
    "get_job_type_overview": of_job_type,
    "list_jobs": after(waiting, dead),
    "get_dead_letter_jobs": after(dead),
    "list_batches": after(running_batch),
    "list_schedules": after(schedule),
    "list_job_types": lambda: {"organization": factory.ALPHA},
    "get_open_circuits": after(open_circuit),
    "get_holdups": after(lambda: submitted("echo_job", n=frappe.generate_hash())),
    "get_job_counts": after(waiting),
    "get_job_metrics": after(completed, dead),
    "get_execution_time_stats": after(completed),
    "get_slowest_jobs": after(completed),
}


@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - {"get_openapi", "download_file"}))
def test_an_answer_is_what_its_model_declares(name):
    # Seen failing: with a field less and one more in a model.
    http.forget_limits()
    answer = ask("Administrator", name, **CALLS[name]())
    check_message(name, frappe.parse_json(frappe.as_json(answer)))


def test_a_call_from_python_has_the_same_answer_and_no_limit():
    sent = any_job()
    made = jobs.submit_job(**sent)
    check_message("submit_job", made)
    with web_request.made("GET", API + "get_job_status", "Administrator"):
        assert jobs.get_job_status(job_id=made["job_id"])["job_id"] == made["job_id"]


def test_a_function_of_frappe_that_calls_an_endpoint_changes_nothing_by_get(unlimited, alice):
    # Seen failing: without the check of the verb. A GET needs no CSRF token.
    with web_request.made("GET", API + "submit_job", alice):
        answer = jobs.submit_job(**JOB)
    assert (answer.status_code, answer.get_json()["error"]) == (405, "wrong_verb")
    assert count() == 0


def test_a_repeatable_request_for_several_jobs_is_refused(unlimited, alice):
    # Seen failing: the header was ignored, and the client's second request made all jobs twice.
    with web_request.made("POST", API + "submit_jobs", alice, **{REPEATABLE: "k"}):
        answer = jobs.submit_jobs(jobs=[JOB])
    assert answer.status_code == 400
    assert "is only for submit_job" in answer.get_json()["message"]
