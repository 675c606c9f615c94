"""Arguments of REST: what is odd, large, unknown or missing is refused in few words, and is no server error."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest

from dartwing_core import hooks
from dartwing_core.api import arguments, jobs
from dartwing_core.api.endpoints import ENDPOINTS, PREFIXES
from dartwing_core.api.errors import ErrorAnswer
from tests.support import factory, http, web_request
from tests.support.rest import ask, count
from tests.support.settings import settings

LONG = "x" * 200_000
ODD = [
    " ", 0, -1, 2**63, 1.5, math.pi * 1e300, math.nan, True, [], {}, [[]], {"a": {"b": [None]}}, "' OR 1=1 --",
    "%s%(a)s", "\u0000", "../../etc/passwd", "null", "[1,2", '{"a":1}', "[" * 5000, "JOB-NOWHERE", ["JOB-NOWHERE"],
    "9999-12-31", "1e400", "\ud83d", ["\ud83d"], LONG, [LONG], {LONG: LONG},
]  # fmt: skip
IDS = [f"JOB-1K{number:018d}" for number in range(100_000)]
MOST_SECONDS = 2
"""For the refusal of 100,000 names, which takes 0.1 to 0.5 seconds on an idle machine."""


@pytest.fixture
def unlimited() -> Iterator[None]:
    http.forget_limits()
    with settings(**{f"{name}_limit": 100_000 for name in ("submit", "status", "list", "cancel", "metrics")}):
        yield


def test_each_endpoint_has_a_name_of_the_originals():
    ours, theirs = PREFIXES
    assert hooks.override_whitelisted_methods == {theirs + name: ours + name for name in ENDPOINTS}


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
        ("submit_job", {**JOB, "parameters": [1]}, "parameters must be an object."),
        ("submit_job", {**JOB, "parameters": "{not json"}, "parameters is not valid JSON."),
        # Seen failing: taken for an argument that is not given.
        ("submit_job", {**JOB, "priority": {}}, "priority must be one of: Low, Normal, High, Critical."),
        ("submit_job", {**JOB, "available_at": "someday"}, "available_at is no time: someday."),
        ("submit_job", {**JOB, "dedup_key": LONG}, "dedup_key is longer than 10000 characters."),
        ("submit_job", {**JOB, "title": "\ud83d"}, "title is no text."),
        ("submit_job", {**JOB, "timeout": "ten"}, "timeout must be a whole number."),
        ("submit_job", {**JOB, "tags": "month end"}, "tags must be a list."),
        ("submit_job", {**JOB, "reference": {"doctype": "ToDo"}}, "reference.name is missing."),
        ("submit_job", {**JOB, "depends_on": "JOB-NOWHERE"}, "not found in this organization"),
        # Seen failing: the job was made, and depended on nothing.
        ("submit_job", {**JOB, "depends_on": {}}, "depends_on must be the id of a job, or a list of ids."),
        ("submit_job", {**JOB, "paramters": {}}, "paramters is unknown: did you mean parameters?"),
        ("submit_job", {**JOB, "colour": "red"}, "colour is unknown (known: available_at, dedup_key"),
        ("submit_jobs", {"jobs": [JOB, 5]}, "jobs[1] must be an object."),
        ("submit_jobs", {"jobs": [{**JOB, "colour": "red"}]}, "jobs[0].colour is unknown."),
        ("cancel_job", {}, "job_id is missing."),
        ("reschedule_job", {"job_id": "JOB-1", "available_at": ""}, "available_at is missing."),
        ("list_jobs", {"status": "Sleeping"}, "status must be one of: Pending, Queued, Running"),
        ("list_jobs", {"order_by": "1; DROP TABLE x"}, "order_by must be one of"),
        ("list_schedules", {"enabled": "maybe"}, "enabled must be true or false."),
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
    [("submit_job", "depends_on"), ("retry_jobs", "job_ids"), ("retry_dead_letters", "fingerprints")],
)
def test_a_hundred_thousand_ids_are_refused_at_once(unlimited, alice, name, argument):
    # Seen failing: with each limit taken away.
    began = time.monotonic()
    answer = ask(alice, name, **{**(JOB if name == "submit_job" else {}), argument: IDS})
    assert time.monotonic() - began < MOST_SECONDS
    assert answer.status_code == 400
    assert "t most" in answer.get_json()["message"]


def test_what_is_too_much_for_any_minute_says_so(site, alice):
    # Seen failing: "Try again in 1 seconds", which never helped.
    http.forget_limits()
    answer = ask(alice, "cancel_jobs", job_ids=IDS)
    assert answer.status_code == 429
    assert "Send less at once" in answer.get_json()["message"]
