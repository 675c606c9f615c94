"""How an attempt ends: what is stored of it (regressions 41 and 49), what is retried, and when."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace

import frappe
import pytest
import redis.exceptions
import requests
from frappe.model.document import Document
from rq.timeouts import JobTimeoutException

from dartwing_core.jobs import (
    JobCanceledError,
    JobError,
    JobTimeoutError,
    PermanentError,
    TransientError,
    calculate_backoff,
    classify_error,
    get_error_type,
)
from dartwing_core.jobs.lib.classification import parse_retry_after, retry_after
from dartwing_core.jobs.lib.config import RetryPolicy, parse_delays
from dartwing_core.jobs.run.outcome import describe, next_delay, storable, traceback_of
from tests.support.database import DRIVERS


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_what_can_not_be_stored_leaves_a_note():
    for result in ({1, 2}, b"x", object(), float("nan"), {"deep": [lambda: 0]}):
        assert "not_stored" in json.loads(storable(result, 1000))
    assert "larger than 10 bytes" in json.loads(storable("x" * 100, 10))["not_stored"]


def test_of_a_document_the_doctype_and_name_are_stored():
    # Seen failing: all fields of it, and what its class keeps.
    document = Document.__new__(Document)
    document.__dict__.update(doctype="Note", name="N-1", content="long")
    assert json.loads(storable(document, 1000)) == {"doctype": "Note", "name": "N-1"}


def test_an_exception_whose_text_fails_is_described_by_its_name():
    assert describe(Unprintable()) == "Unprintable"
    assert "Unprintable" in traceback_of(Unprintable())


def test_own_errors_speak_for_themselves_others_are_named():
    assert describe(TransientError("The mailbox is full")) == "The mailbox is full"
    assert describe(JobError()) == "JobError"
    assert describe(KeyError("a")) == "KeyError: 'a'"
    assert len(describe(RuntimeError("x" * 100_000))) == 5_000


def test_a_refusal_without_a_text_has_the_reason_that_frappe_keeps(monkeypatch):
    # Seen failing: a dead letter whose whole text was "PermissionError".
    monkeypatch.setattr(frappe, "flags", SimpleNamespace(error_message="No <b>write</b> access"))
    assert describe(frappe.PermissionError()) == "PermissionError: No write access"
    assert describe(frappe.PermissionError("own")) == "PermissionError: own"


# What is retried: the contract's rules in their order (regression 27) -----------------------------------------------


class HttpError(Exception):
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def http(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(response=response)


def chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


RETRYABLE = [
    TransientError("x"),
    JobError("x"),
    JobTimeoutError("x"),
    JobTimeoutException("x"),
    ConnectionResetError(),
    TimeoutError(),
    requests.ConnectionError(),
    requests.Timeout(),
    redis.exceptions.ConnectionError(),
    *(driver.OperationalError(code, "x") for driver in DRIVERS for code in (1213, 1205, 1020, 2006)),
    *(frappe.QueryDeadlockError(driver.OperationalError(1213, "deadlock")) for driver in DRIVERS),
    *(chained(RuntimeError(), driver.OperationalError(2013, "lost")) for driver in DRIVERS),
    *(http(status) for status in (408, 425, 429, 500, 502, 503, 504, 507)),
    HttpError(http_status=503),
    HttpError(status_code=503),
    HttpError(http_status_code=503),
    RuntimeError("anything else"),
    Exception("anything else"),
    OSError("disk"),
]
PERMANENT = [
    PermanentError("x"),
    JobCanceledError("x"),
    *(http(status) for status in (400, 401, 403, 404, 409, 410, 422)),
    HttpError(status_code=404),
    frappe.ValidationError("x"),
    frappe.MandatoryError("x"),
    frappe.LinkValidationError("x"),
    frappe.PermissionError("x"),
    frappe.DoesNotExistError("x"),
    frappe.AuthenticationError("x"),
    TypeError("x"),
    AttributeError("x"),
    ImportError("x"),
    ModuleNotFoundError("x"),
    NameError("x"),
    KeyError("x"),
    IndexError("x"),
    ZeroDivisionError("x"),
]


@pytest.mark.parametrize(
    ("error", "kind"),
    [*((error, "Transient") for error in RETRYABLE), *((error, "Permanent") for error in PERMANENT)],
    ids=lambda value: repr(value)[:60],
)
def test_what_is_retried(error, kind):
    assert get_error_type(error) == kind
    assert classify_error(error) is (kind == "Transient")


def test_retry_after_of_a_response_is_found():
    error = http(429)
    error.response.headers["Retry-After"] = "17"
    assert retry_after(error) == 17
    assert retry_after(TransientError("x", retry_after=3)) == 3
    assert retry_after(RuntimeError("x")) is None


def test_retry_after_may_be_a_date():
    moment = datetime.now(timezone.utc) + timedelta(seconds=90)
    assert 80 < parse_retry_after(format_datetime(moment, usegmt=True)) <= 90


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[("-5", 0), ("soon", None), ("", None), ("inf", None), ("nan", None), (None, None)],
        *[("9" * 400, None), ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None), (10**400, None)],
    ],
)
def test_retry_after_that_makes_no_sense(value, seconds):
    assert parse_retry_after(value) == seconds


class BadZip(ValueError):
    pass


def test_a_job_type_may_decide_by_the_exceptions_name():
    assert classify_error(KeyError("x"), retry_on={"LookupError"})
    assert not classify_error(BadZip(), never_retry_on={"BadZip"})
    assert not classify_error(BadZip(), never_retry_on={"ValueError"}), "base classes count"
    assert not classify_error(BadZip(), retry_on={"BadZip"}, never_retry_on={"ValueError"}), "never is stronger"


# Delays between attempts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attempt", "middle"), [(1, 60), (2, 120), (3, 240), (4, 480), (5, 960)])
def test_backoff_doubles_with_a_fifth_of_jitter(attempt, middle):
    delays = {calculate_backoff(attempt) for _sample in range(300)}
    assert all(isinstance(delay, int) and middle * 0.8 <= delay <= middle * 1.2 for delay in delays)
    assert len(delays) > 5


@pytest.mark.parametrize("attempt", [-1, 0, 1, 7, 50, 10_000])
def test_backoff_stays_between_a_second_and_the_cap_of_an_hour(attempt):
    assert 1 <= calculate_backoff(attempt) <= 3600
    assert calculate_backoff(attempt, 0) == 1


def test_own_delays_of_a_type_are_taken_and_the_last_repeats():
    assert [next_delay(number, RetryPolicy((1, 5, 9))) for number in (1, 2, 3, 4)] == [1, 5, 9, 9]
    assert next_delay(1, RetryPolicy((0,))) == 0


def test_the_peer_may_ask_for_more_but_not_for_years():
    assert next_delay(1, RetryPolicy((1,)), 30) == 30
    assert next_delay(1, RetryPolicy((60,)), 30) == 60
    assert next_delay(1, RetryPolicy((1,)), 10**9) == 86_400


def test_delays_are_read_from_text():
    assert parse_delays("10, 60;600") == [10, 60, 600]
    assert parse_delays(None) == []
    for text in ("ten", "1 2", "-1"):
        with pytest.raises(ValueError):
            parse_delays(text)
