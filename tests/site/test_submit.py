"""What `submit_job` takes and refuses; what it refuses leaves nothing behind."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import frappe
import pytest

from dartwing_core.jobs import DuplicateJobError, InvalidJobError, get_job_status, submit_job
from tests.support import database, factory
from tests.support.jobs import run
from tests.support.rest import count
from tests.support.sessions import as_user, committed
from tests.support.settings import settings


def refused(error: type[Exception], match: str, *args, **kwargs) -> None:
    with pytest.raises(error, match=match):
        submit_job(*args, **kwargs)
    assert count() == 0
    assert frappe.message_log == [], "no message of the framework leaks into the response"


def test_an_unknown_type_is_refused(monkeypatch):
    monkeypatch.setitem(frappe.conf, "developer_mode", 1)
    advice = "Unknown Job Type: nowhere. If code declares it, name its module in the hook background_job_handlers"
    refused(InvalidJobError, f"{advice} .* Without a bench: ./dev run --handlers", "nowhere", factory.ALPHA)
    monkeypatch.setitem(frappe.conf, "developer_mode", 0)
    refused(InvalidJobError, advice, "nowhere", factory.ALPHA)


def test_another_spelling_of_a_type_is_unknown(job_type):
    refused(InvalidJobError, "Unknown Job Type", job_type.upper(), factory.ALPHA)


def test_a_type_that_is_disabled_or_has_no_handler_takes_no_new_jobs(job_type):
    refused(InvalidJobError, "disabled", factory.job_type("off", is_enabled=0), factory.ALPHA)
    frappe.db.set_value("Job Type", job_type, "handler_method", "tests.support.handlers.not_registered")
    refused(InvalidJobError, "not a registered job handler", job_type, factory.ALPHA)


@pytest.mark.parametrize(("wrong", "said"), [(None, "missing"), ("  ", "missing"), (0, "text"), (["x"], "text")])
def test_type_and_organization_are_required_and_text(job_type, wrong, said):
    refused(InvalidJobError, f"job_type .*{said}", wrong, factory.ALPHA)
    told = "Choose an organization" if wrong is None else f"organization .*{said}"
    refused(InvalidJobError, told, job_type, wrong)


def test_parameters_are_an_object_with_a_json_form(job_type):
    refused(InvalidJobError, "must be an object", job_type, factory.ALPHA, [1])
    refused(InvalidJobError, r"parameters\.data", job_type, factory.ALPHA, {"data": b"x"})
    refused(InvalidJobError, "priority must be one of: Low", job_type, factory.ALPHA, priority="Urgent")


def test_parameters_have_a_size_limit(job_type):
    with settings(max_parameter_bytes=100):
        refused(InvalidJobError, "at most 100", job_type, factory.ALPHA, {"data": "x" * 100})
    assert submit_job(job_type, factory.ALPHA, {"data": "x" * 900_000}).name
    frappe.db.rollback()
    refused(InvalidJobError, "at most 1000000", job_type, factory.ALPHA, {"data": "x" * 1_000_000})


@pytest.mark.parametrize("state", ["Suspended", "Inactive", "Dissolved"])
def test_an_organization_that_is_not_active_takes_no_jobs(job_type, state):
    frappe.db.set_value("Organization", factory.ALPHA, "status", state)
    refused(InvalidJobError, f"is {state.lower()}", job_type, factory.ALPHA)


@pytest.mark.parametrize(
    ("requirement", "allowed"),
    [("Dartwing User", True), ("System Manager", False), ("Note", True), ("User:delete", False)],
)
def test_a_type_may_require_a_role_or_a_permission(alice, requirement, allowed):
    job_type = factory.job_type("guarded", requires_permission=requirement)
    frappe.set_user(alice)
    if allowed:
        assert submit_job(job_type, factory.ALPHA).owner_user == alice
    else:
        with pytest.raises(frappe.PermissionError, match="need the permission"):
            submit_job(job_type, factory.ALPHA)


def test_the_row_holds_what_the_type_says_unless_the_caller_says_otherwise():
    # Regressions 37 and 50: a type's default priority was never used; DocType defaults beat its settings.
    job_type = factory.job_type("tuned", default_priority="High", default_timeout=77, max_retries=0)
    job = submit_job(job_type, factory.ALPHA, {"b": 1, "a": [1]})
    assert (job.priority, job.queue, job.timeout_seconds, job.max_retries) == ("High", "short", 77, 0)
    assert job.input_parameters == '{"a":[1],"b":1}'
    assert job.owner_user == "Administrator"
    assert submit_job(job_type, factory.ALPHA, {"n": 2}, priority="Low").queue == "long"
    stored = frappe.get_doc("Background Job", job.name)
    assert (stored.priority, stored.max_retries, stored.status) == ("High", 0, "Queued")


def test_a_job_due_later_waits_in_the_database(job_type):
    moment = datetime.now(timezone.utc) + timedelta(hours=1)
    given = [moment, moment.isoformat(), 3600, 3600.0, "3600", " 3600.5", timedelta(hours=1)]
    jobs = [submit_job(job_type, factory.ALPHA, {"n": n}, available_at=when) for n, when in enumerate(given)]
    frappe.db.commit()
    for job in jobs:
        status = get_job_status(job.name)
        assert status["status"] == "Pending"
        assert abs((datetime.fromisoformat(status["available_at"]) - moment).total_seconds()) < 5


TEXTS_THAT_ARE_NO_TIME = ("someday", "5 m", "1e5", "inf", "", "9" * 18, "2026-13-45", "20261125T10")
# Seen failing: the parser of dates left the zero byte out, and took digits of all alphabets.
ODD_CHARACTERS = ("2026-11-28 10:00\x00:00", "２０２６-11-28", "３６００")
NO_TIMES = ([], True, float("nan"), 10**18, timedelta.max)


@pytest.mark.parametrize("when", [*TEXTS_THAT_ARE_NO_TIME, *ODD_CHARACTERS, *NO_TIMES])
def test_a_due_time_that_is_none_is_refused(job_type, when):
    refused(InvalidJobError, "available_at is not a time", job_type, factory.ALPHA, available_at=when)


def test_a_duplicate_is_refused_and_names_the_first():
    job_type = factory.job_type("once", deduplication_window=300)
    first = committed(submit_job, job_type, factory.ALPHA, {"a": 1, "b": 2})
    with pytest.raises(DuplicateJobError, match=first.name) as caught:
        submit_job(job_type, factory.ALPHA, {"b": 2, "a": 1})
    assert (caught.value.existing_job_id, caught.value.status) == (first.name, "Queued")
    assert frappe.message_log == []
    assert submit_job(job_type, factory.ALPHA, {"a": 1, "b": 2}, on_duplicate="return").name == first.name
    assert submit_job(job_type, factory.ALPHA, {"a": 2}).name != first.name
    assert submit_job(job_type, factory.BETA, {"a": 1, "b": 2}).name != first.name
    submit_job(job_type, factory.ALPHA, {"a": 3}, dedup_key="invoice-7")
    with pytest.raises(DuplicateJobError):
        submit_job(job_type, factory.ALPHA, {"a": 4}, dedup_key="invoice-7")
    assert submit_job(job_type, factory.ALPHA, {"a": 3}, dedup_key="invoice-8").name, "the caller's key decides"


def test_a_duplicates_name_is_kept_from_those_who_may_not_see_it(alice):
    job_type = factory.job_type("once", deduplication_window=300)
    committed(submit_job, job_type, factory.ALPHA, {"a": 1})
    frappe.set_user(alice)
    with pytest.raises(DuplicateJobError) as caught:
        submit_job(job_type, factory.ALPHA, {"a": 1})
    assert caught.value.existing_job_id is None
    assert "JOB-" not in str(caught.value)
    for policy in ("return", "replace"):
        with pytest.raises(DuplicateJobError):
            submit_job(job_type, factory.ALPHA, {"a": 1}, on_duplicate=policy)


def test_a_waiting_job_of_a_former_member_keeps_nobody_from_an_equal_one(alice):
    # Seen failing: it never completes, and refused each equal job of a colleague until its time had come: for years.
    colleague = factory.user("colleague", factory.ALPHA)
    job_type = factory.job_type("once", deduplication_window=300)
    first = as_user(alice, submit_job, job_type, factory.ALPHA, {"month": 1}, available_at=86_400 * 365)
    frappe.db.commit()
    with pytest.raises(DuplicateJobError):
        as_user(colleague, submit_job, job_type, factory.ALPHA, {"month": 1})
    frappe.db.set_value("Org Member", {"user": alice, "organization": factory.ALPHA}, "status", "Inactive")
    assert as_user(colleague, submit_job, job_type, factory.ALPHA, {"month": 1}).name != first.name


def test_submitting_costs_at_most_five_statements(alice):
    job_type = factory.job_type("once", deduplication_window=300)
    frappe.set_user(alice)
    committed(submit_job, job_type, factory.ALPHA, {"warm": True})
    with database.statements() as seen:
        submit_job(job_type, factory.ALPHA, {"a": 1})
    assert len(seen) <= 5, seen


# Limits of one job --------------------------------------------------------------------------------------------------


def test_a_job_may_have_narrower_limits_than_its_type():
    job_type = factory.job_type("limited", "add_note", default_timeout=120, max_retries=3)
    plain = submit_job(job_type, factory.ALPHA, {"n": 1})
    narrow = submit_job(job_type, factory.ALPHA, {"n": 2}, timeout=30, max_retries=0)
    assert (plain.timeout_seconds, plain.max_retries) == (120, 3)
    assert (narrow.timeout_seconds, narrow.max_retries) == (30, 0)
    failing = {"title": "test fails", "then": "fail"}
    jobs = [submit_job(job_type, factory.ALPHA, {**failing, "n": most}, max_retries=most) for most in (0, 1)]
    frappe.db.commit()
    assert [run(job)["status"] for job in jobs] == ["Dead Letter", "Failed"]


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    [
        ("timeout", 121, "timeout must be a whole number from 1 to 120, which the Job Type allows."),
        ("timeout", "30", "must be a whole number"),
        ("max_retries", 4, "max_retries must be a whole number from 0 to 3"),
        ("max_retries", -1, "from 0 to 3"),
    ],
)
def test_a_job_may_not_have_wider_limits(argument, value, text):
    job_type = factory.job_type("limited", default_timeout=120, max_retries=3)
    with pytest.raises(InvalidJobError) as told:
        submit_job(job_type, factory.ALPHA, {}, **{argument: value})
    assert text in str(told.value)
