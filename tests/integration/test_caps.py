"""No more jobs run at once than an organization, a Job Type or both together may have; slots are counted from rows.

Seen failing: without `limits.locked` around the claim more than three of sixteen start; without the fresh snapshot
behind it too.
"""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import admission, claim, executor, get_job_history, submit_job, submit_jobs, sweeper
from tests.support import database, factory
from tests.support.jobs import lose, next_entry, run, status, submitted
from tests.support.sessions import in_parallel
from tests.support.settings import settings

CAP, CLAIMS = 3, 16
RUNNING = "SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Running' AND organization = %s"


@pytest.fixture(autouse=True)
def no_sweeps(site: None, monkeypatch):
    """Nobody sweeps of their own accord; and no limits are left behind."""
    monkeypatch.setattr(sweeper, "sweep_now_and_then", lambda: None)
    monkeypatch.setattr(sweeper, "sweep_after_submit", lambda: None)
    yield
    for organization in (factory.ALPHA, factory.BETA):
        frappe.db.set_value("Organization", organization, "max_running", 0)
    frappe.db.commit()


def type_with(**limits: int) -> str:
    name = factory.job_type("capped", **limits)
    frappe.db.commit()
    return name


def cap_organization(number: int, name: str = factory.ALPHA) -> None:
    frappe.db.set_value("Organization", name, "max_running", number)
    frappe.db.commit()


def cap_type(job_type: str, **limits: int) -> None:
    document = frappe.get_doc("Job Type", job_type)
    document.update(limits)
    document.save()
    frappe.db.commit()


def queued(job_type: str, number: int, organization: str = factory.ALPHA) -> list:
    """Jobs that were queued while there was no limit."""
    jobs = [submit_job(job_type, organization, {"n": n}) for n in range(number)]
    frappe.db.commit()
    return jobs


def messages(job) -> list[str]:
    return [event["message"] for event in get_job_history(job.name)["history"]]


def running(organization: str = factory.ALPHA) -> int:
    return database.value(RUNNING, organization)


def claim_all(jobs: list) -> list:
    found = in_parallel([lambda job=job: claim.claim(job.name, 1) for job in jobs])
    assert not [result for result in found if isinstance(result, BaseException)], found
    return [result for result in found if result]


@pytest.mark.parametrize("of", ["organization", "type", "both"])
def test_of_many_claims_at_once_as_many_succeed_as_may_run(of):
    with settings(queue_window=100):
        job_type = type_with()
        jobs = queued(job_type, CLAIMS)
    if of == "organization":
        cap_organization(CAP)
    else:
        cap_type(job_type, **{"max_concurrent" if of == "type" else "max_concurrent_per_organization": CAP})
    assert len(claim_all(jobs)) == running() == CAP
    held = next(job for job in jobs if status(job) == "Pending")
    assert (
        messages(held)[-1]
        == f"Held: {CAP} jobs of its {'organization' if of == 'organization' else 'type'} are running"
    )


def test_a_cap_of_a_type_in_each_organization_counts_them_apart():
    with settings(queue_window=100):
        job_type = type_with()
        jobs = queued(job_type, 8) + queued(job_type, 8, factory.BETA)
    cap_type(job_type, max_concurrent_per_organization=2)
    claim_all(jobs)
    assert (running(), running(factory.BETA)) == (2, 2)


def test_only_as_many_are_queued_as_may_run_and_the_next_follow_by_themselves():
    job_type = type_with(max_concurrent=2)
    jobs = [submitted(job_type, n=n) for n in range(5)]
    assert [status(job) for job in jobs] == ["Queued"] * 2 + ["Pending"] * 3
    for number, job in enumerate(jobs):
        assert run(job)["status"] == "Completed", number
    assert all(status(job) == "Completed" for job in jobs)


def test_a_job_that_ends_frees_its_organizations_slot_in_other_queues_too():
    # Broken by passing over the job's own queue only in `admission.after_settle`.
    cap_organization(1)
    short = submit_job(type_with(), factory.ALPHA, {"n": 1}, priority="High")
    long = submit_job("test_capped", factory.ALPHA, {"n": 2}, priority="Low")
    frappe.db.commit()
    (first, second) = sorted((short, long), key=lambda job: status(job) != "Queued")
    assert (status(first), status(second)) == ("Queued", "Pending")
    run(first)
    assert status(second) == "Queued"


def test_one_held_back_goes_on_though_the_slot_was_freed_in_that_moment(monkeypatch):
    # Broken by not passing after a hold: the running job's own pass came before, and nobody else looks.
    with settings(queue_window=100):
        job_type = type_with()
        first, second = queued(job_type, 2)
    cap_type(job_type, max_concurrent=1)
    assert claim.claim(first.name, 1)
    original = claim._hold

    def hold(job, reason):
        frappe.db.sql("commit")
        database.rows("UPDATE `tabBackground Job` SET status = 'Completed' WHERE name = %s", first.name)
        return original(job, reason)

    monkeypatch.setattr(claim, "_hold", hold)
    assert claim.claim(second.name, 1) is None
    assert status(second) == "Queued"


def test_a_full_organization_takes_no_turn_from_the_others():
    cap_organization(1)
    job_type = type_with()
    jobs = [submitted(job_type, n=n) for n in range(3)]
    other = queued(job_type, 1, factory.BETA)[0]
    assert ([status(job) for job in jobs], status(other)) == (["Queued", "Pending", "Pending"], "Queued")


def test_who_was_stopped_by_a_cap_has_saved_up_no_turns():
    # Broken by keeping the pass of the organization that could not go: Alpha had twenty turns in a row.
    capped, free = type_with(max_concurrent_per_organization=1), factory.job_type("plain")
    with settings(queue_window=4):
        first, second = queued(capped, 2)
        assert claim.claim(first.name, 1)
        assert next_entry() == first.name
        queued(free, 60, factory.BETA)
        order = [take_and_run() for _number in range(20)]
        assert (set(order), status(second)) == ({factory.BETA}, "Pending")
        queued(free, 20)
        order = [take_and_run() for _number in range(24)]
    assert 9 <= order[4:].count(factory.ALPHA) <= 11, order


@pytest.mark.parametrize("priority", ["Normal", "High"])
def test_organizations_take_turns_under_a_cap_of_a_type(priority):
    # Seen failing with a pass that is lost to such a cap (all of Alpha first), High also with queues by the alphabet.
    job_type = type_with(max_concurrent=1)
    queued(job_type, 20)
    submit_jobs(
        {"job_type": job_type, "organization": factory.BETA, "parameters": {"n": n}, "priority": priority}
        for n in range(3)
    )
    frappe.db.commit()
    order = [take_and_run() for _number in range(8)]
    assert order.count(factory.BETA) == 3, order


def test_an_urgent_job_gets_the_slot_of_a_cap():
    # Seen failing: `default` was offered it before `short`.
    frappe.db.set_value("Organization", factory.ALPHA, "max_running", 1)
    job_type = factory.job_type("plain")
    queued(job_type, 6)
    common = {"job_type": job_type, "organization": factory.ALPHA, "priority": "High"}
    urgent = submit_jobs({**common, "parameters": {"urgent": n}} for n in range(3))
    frappe.db.commit()
    names = []
    for _number in range(5):
        names.append(next_entry())
        executor.execute_job(names[-1], 1)
    frappe.db.set_value("Organization", factory.ALPHA, "max_running", 0)
    frappe.db.commit()
    assert {job.name for job in urgent} <= set(names), names


def take_and_run() -> str:
    """Run the job of the next RQ entry; its organization."""
    name = next_entry()
    executor.execute_job(name, 1)
    return frappe.db.get_value("Background Job", name, "organization")


def test_a_lost_attempt_leaves_no_slot_taken():
    job_type = type_with(max_concurrent=1)
    first, second = submitted(job_type, n=1), submitted(job_type, n=2)
    assert claim.claim(first.name, 1)
    lose(first)
    sweeper.sweep()
    assert running() == 0
    executor.execute_job(first.name, 2)  # it keeps its place in line
    executor.execute_job(second.name, 1)
    assert (status(first), status(second)) == ("Completed", "Completed")


def test_a_cap_that_is_raised_or_taken_away_lets_those_go_that_wait():
    job_type = type_with(max_concurrent=1)
    jobs = [submitted(job_type, n=n) for n in range(3)]
    cap_type(job_type, max_concurrent=0)
    assert {status(job) for job in jobs} == {"Queued"}


def test_a_pass_under_a_cap_that_is_reached_reads_no_lines():
    # Seen failing (one more for each organization) with caps that are asked once the line was read.
    job_type = type_with(max_concurrent=1)
    for number in range(20):
        name = factory.organization(f"Test Capped {number}")
        submit_job(job_type, name, {"n": number})
    frappe.db.commit()
    with database.statements() as seen:
        assert admission.admit("default") == 0
    assert len(seen) <= 8, seen
