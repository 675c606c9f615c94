"""A job has its time until its handler returns, and no longer: what follows is under no limit (R10; I5, I9)."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import get_job_history
from dartwing_core.jobs.job import runs
from dartwing_core.jobs.line.claim import Claimer
from tests.support import factory
from tests.support.handlers import pause
from tests.support.jobs import submitted
from tests.support.slices import run_entry, run_slice, statuses

# pytest-timeout's usual alarm is the one that RQ takes for itself.
pytestmark = [pytest.mark.timeout(60, method="thread"), pytest.mark.usefixtures("no_sweeps")]

LONG = 1.5
"""Seconds: longer than the time limit of the jobs here."""


def late_job(**parameters):
    job_type = factory.job_type(
        "late", f"{factory.FAULTS}.late", default_timeout=1, timeout_handler_method=f"{factory.FAULTS}.clean_up"
    )
    return submitted(job_type, seconds=LONG, **parameters)


def ends(job) -> list[str]:
    return [event["to_status"] for event in get_job_history(job.name)["history"]][3:]


def notes(job) -> list[str]:
    frappe.db.rollback()
    titles = frappe.get_all("Note", {"title": ["like", f"test {job.name}%"]}, pluck="title")
    return sorted(title.removeprefix(f"test {job.name}") for title in titles)


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
def test_a_job_whose_callbacks_take_longer_than_its_limit_is_completed(when):
    # Seen failing: Timed Out, though the handler had returned in time.
    job, after = late_job(when=when), late_job()
    run_slice(job)
    assert (ends(job), notes(job)) == (["Completed"], [""])
    assert ends(after) == ["Completed"], "the worker goes on"


def test_a_job_is_completed_if_the_claim_of_the_next_one_crosses_its_limit(monkeypatch):
    # Seen failing: the limit of the first job struck in the claim of the second, and the first was Timed Out.
    start_next = Claimer.start_next

    def start_late(claimer):
        pause(LONG)
        claimer.view.good_until += LONG
        return start_next(claimer)

    monkeypatch.setattr(Claimer, "start_next", start_late)
    jobs = [late_job(n=n) for n in range(2)]
    run_slice(jobs[0])
    assert [ends(job) for job in jobs] == [["Completed"]] * 2


def test_the_limit_of_an_entry_ends_no_claim(monkeypatch):
    # Seen failing without `cancel_death_penalty`: the entry's alarm struck, and the job stayed in line.
    claim_lone = Claimer.claim_lone

    def claim_late(*arguments):
        pause(LONG)
        return claim_lone(*arguments)

    monkeypatch.setattr(Claimer, "claim_lone", claim_late)
    job = late_job()
    run_entry(job, timeout=1)
    assert ends(job) == ["Completed"]


def test_a_failure_that_takes_long_to_write_is_written_once(monkeypatch):
    # Seen failing (stuck in Running): the limit struck in the settle.
    job = submitted(factory.job_type("raising", "raises", default_timeout=1), what="key")
    settle, calls = runs.settle, []

    def slow_once(*arguments, **options):
        settle(*arguments, **options)
        calls.append(1)
        if len(calls) == 1:
            pause(LONG)

    monkeypatch.setattr(runs, "settle", slow_once)
    run_slice(job)
    assert (len(calls), ends(job)) == (1, ["Dead Letter"])


@pytest.mark.parametrize("place", ["first", "second"])
def test_each_job_of_a_process_has_its_own_limit(place):
    slow = submitted(factory.job_type("slow", "quiet", default_timeout=1, max_retries=0), seconds=30)
    other = late_job()
    run_slice(slow if place == "first" else other)
    assert sorted(statuses([slow, other])) == ["Completed", "Dead Letter"]
    assert get_job_history(slow.name)["history"][-1]["message"].startswith("Attempt 1 of 1 timed out")
