"""What `http_request` sends: payload, idempotency key, and the retries of a job."""

from __future__ import annotations

import json
import re
from datetime import datetime

import pytest

from dartwing_core.jobs import PermanentError, get_job_details
from dartwing_core.jobs.lib import clock
from tests.support.jobs import run
from tests.support.outgoing import send, submitted
from tests.support.receiver import Answer


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_payload_arrives_as_json(receiver, method):
    payload = {"text": "ü日", "list": [1, 2.5, None, True]}
    result = send(receiver.url(path="/a?b=c"), method=method, payload=payload, headers={"X-Own": "value"})
    (request,) = receiver.requests
    assert (request.method, request.path) == (method, "/a?b=c")
    assert json.loads(request.body) == payload
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["X-Own"] == "value"
    assert request.headers["User-Agent"].startswith("dartwing_core/")
    assert result["status"] == 200
    assert result["body"] == {"ok": True}
    assert result["is_cut"] is False
    assert result["headers"]["Content-Type"] == "application/json"


@pytest.mark.parametrize("headers", [{"X": "日本"}, {"X\n": "x"}])
def test_a_header_that_has_no_bytes_fails_for_good(receiver, headers):
    with pytest.raises(PermanentError, match="not valid: "):
        send(receiver.url(), headers=headers)


def test_a_get_has_no_body(receiver):
    send(receiver.url(), method="GET")
    assert receiver.requests[0].method == "GET"
    assert "Content-Length" not in receiver.requests[0].headers


@pytest.mark.parametrize(
    ("given", "header", "sent"),
    [
        ({}, "Authorization", "Bearer s3cret-token"),
        ({"headers": {"authorization": "none"}}, "Authorization", "Bearer s3cret-token"),
        ({"token_header": "X-Api-Key"}, "X-Api-Key", "s3cret-token"),
    ],
)
def test_a_token_is_sent_and_the_job_does_not_show_it(receiver, given, header, sent):
    # The receiver repeats the token in its refusal.
    receiver.answers = [Answer(401, body=b"s3cret-token is not valid")]
    job = submitted(receiver.url(), "Administrator", token="s3cret-token", **given)
    done = run(job)
    assert receiver.requests[0].headers[header] == sent
    assert done["status"] == "Dead Letter"
    assert "s3cret" not in str(get_job_details(job.name))


def test_the_idempotency_key_is_the_same_in_each_attempt(receiver):
    send(receiver.url())
    send(receiver.url(), attempt=2)
    first, second = (request.headers["Idempotency-Key"] for request in receiver.requests)
    assert first == second
    assert re.fullmatch("[0-9a-f]{32}", first), "which does not tell the job's id"


def test_proxies_of_the_environment_are_not_used(receiver, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert send(receiver.url())["status"] == 200


def test_a_delivery_completes_with_the_answer_as_result(receiver, alice):
    status = run(submitted(receiver.url(), alice, payload={"a": 1}))
    assert status["status"] == "Completed", status
    assert status["result"]["body"] == {"ok": True}


def test_a_busy_receiver_is_tried_again_when_it_said(receiver, alice):
    receiver.answers = [Answer(429, b"", (("Retry-After", "7200"),))]
    job = submitted(receiver.url(), alice)
    status = run(job)
    assert (status["status"], status["error_type"]) == ("Failed", "Transient")
    due = clock.to_epoch(datetime.fromisoformat(status["next_retry_at"]))
    assert due - clock.now_epoch() == pytest.approx(7200, abs=30)
