"""RQ's own time limit strikes when the handler has returned: in a callback, in COMMIT, behind it (R10; I5, I9)."""

from __future__ import annotations

import frappe
import pytest
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from dartwing_core.jobs import get_job_history
from dartwing_core.jobs.job import runs
from dartwing_core.jobs.run import between
from dartwing_core.jobs.run.attempt import Attempt
from tests.support import factory
from tests.support.faults import LONG
from tests.support.handlers import pause
from tests.support.jobs import run, submitted

# pytest-timeout's usual alarm is the one that RQ takes for itself.
pytestmark = [pytest.mark.timeout(60, method="thread"), pytest.mark.usefixtures("no_sweeps")]


def late_job(**parameters):
    job_type = factory.job_type(
        "late", f"{factory.FAULTS}.late", default_timeout=1, timeout_handler_method=f"{factory.FAULTS}.clean_up"
    )
    return submitted(job_type, **parameters)


def run_under_limit(job) -> dict:
    with UnixSignalDeathPenalty(1, JobTimeoutException):
        return run(job)


def ends(job) -> list[str]:
    return [event["to_status"] for event in get_job_history(job.name)["history"]][3:]


def notes(job) -> list[str]:
    frappe.db.rollback()
    titles = frappe.get_all("Note", {"title": ["like", f"test {job.name}%"]}, pluck="title")
    return sorted(title.removeprefix(f"test {job.name}") for title in titles)


def the_worker_goes_on() -> None:
    assert run(submitted("echo_job", after="late"))["status"] == "Completed"


def test_a_limit_in_a_callback_before_the_commit_is_timed_out():
    # Seen failing (stuck in Running) when `_succeed` returns instead of raising what is not committed.
    job = late_job(when="before_commit")
    assert run_under_limit(job)["status"] == "Timed Out"
    assert ends(job) == ["Timed Out"]
    assert notes(job) == [" cleaned up"]
    the_worker_goes_on()


@pytest.mark.parametrize("where", ["callback", "answer"])
def test_a_limit_behind_the_commit_is_completed(where, monkeypatch):
    # Two nets: `Attempt._is_committed`, and the status in the guard of `record.Job`. Seen failing (Timed
    # Out after Completed) without both.
    job = late_job(when="after_commit" if where == "callback" else None)
    commit = between.commit

    def commit_and_wait():
        commit()
        pause(LONG)

    with monkeypatch.context() as patch:
        if where == "answer":
            patch.setattr(between, "commit", commit_and_wait)
        status = run_under_limit(job)
    assert (status["status"], ends(job), notes(job)) == ("Completed", ["Completed"], [""])
    the_worker_goes_on()


def test_a_limit_in_a_commit_that_is_made_in_the_end_is_completed_and_not_cleaned_up(monkeypatch):
    # The server was slow: asked for the first time, it had not committed yet.
    # Seen failing (" cleaned up" beside "Completed") when `Attempt.fail` cleans up whoever wrote the end.
    job = late_job(when="after_commit")
    monkeypatch.setattr(Attempt, "_is_committed", lambda self: False)
    assert run_under_limit(job)["status"] == "Completed"
    assert (ends(job), notes(job)) == (["Completed"], [""])


def test_a_limit_while_the_failure_is_written_leaves_one_end(monkeypatch):
    # Seen failing (stuck in Running) without `except BaseTimeoutException` in `Attempt.fail`.
    job = submitted(factory.job_type("raising", "raises", default_timeout=1), what="key")
    settle, calls = runs.settle, []

    def slow_once(*arguments, **options):
        is_written = settle(*arguments, **options)
        calls.append(1)
        if len(calls) == 1:
            pause(LONG)
        return is_written

    monkeypatch.setattr(runs, "settle", slow_once)
    assert run_under_limit(job)["status"] == "Dead Letter"
    assert (len(calls), ends(job)) == (2, ["Dead Letter"])
    the_worker_goes_on()
