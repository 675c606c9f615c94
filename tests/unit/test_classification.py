"""What is retried: the contract's rules in their order (regression 27)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import frappe
import pytest
import redis.exceptions
import requests
from rq.timeouts import JobTimeoutException

from dartwing_core.jobs import (
    JobCanceledError,
    JobError,
    JobTimeoutError,
    PermanentError,
    TransientError,
    classify_error,
    get_error_type,
)
from dartwing_core.jobs.lib.classification import parse_retry_after, retry_after
from tests.support.database import DRIVERS


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
    ("value", "seconds"), [("-5", 0), ("soon", None), ("", None), ("inf", None), ("nan", None), (None, None)]
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
