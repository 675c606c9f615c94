"""Only a window of jobs is in RQ; the rest awaits its turn in the database (issue 5, R4)."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from functools import partial

import frappe
import pytest

from dartwing_core.jobs import (
    admission,
    cancel_job,
    clock,
    executor,
    notes,
    queueing,
    redis_queue,
    reservations,
    sql,
    submit_job,
    submit_jobs,
    sweeper,
    waiting,
)
from tests.support import database, factory, processes
from tests.support.jobs import next_entry, run, status, submitted
from tests.support.sessions import in_parallel
from tests.support.settings import settings

WINDOW = 5
OF_STATUS = "SELECT COUNT(*) FROM `tabBackground Job` WHERE organization LIKE 'Test %%' AND status = %s"


@pytest.fixture
def window():
    with settings(queue_window=WINDOW):
        yield WINDOW


def submit_many(job_type: str, number: int, organization: str = factory.ALPHA, **arguments) -> list:
    requests = ({"job_type": job_type, "organization": organization, "parameters": {"n": n}} for n in range(number))
    jobs = submit_jobs({**request, **arguments} for request in requests)
    frappe.db.commit()
    return jobs


def count(status: str) -> int:
    return database.value(OF_STATUS, status)


def entries() -> int:
    return len(processes.queue_client().keys("rq:job:*"))


def organizations_in_rq() -> list[str]:
    """Of the entries in RQ, from the first to the last."""
    client = processes.queue_client()
    (key,) = (key for key in client.keys("rq:queue:*") if client.type(key) == b"list")
    names = [entry.decode()[entry.decode().index("JOB-") :].rpartition("-")[0] for entry in client.lrange(key, 0, -1)]
    return [frappe.db.get_value("Background Job", name, "organization") for name in names]


# The window


def test_of_many_jobs_a_window_is_in_rq(job_type, window, no_sweeps):
    submit_many(job_type, 12)
    assert (count("Queued"), count("Pending"), entries()) == (window, 7, window)


def test_the_window_follows_the_number_of_workers(monkeypatch):
    assert admission.window(0, 0.05) == admission.window(2, 0.05) == 8
    assert admission.window(10, 0.05) == 40


def test_the_window_holds_though_redis_forgets_all(job_type, window, no_sweeps):
    # Counted from rows. Broken by taking a lost note for "no backlog" in `admission.has_room`.
    submit_many(job_type, 12)
    for number in range(3):
        processes.queue_client().flushdb()
        submitted(job_type, late=number)
        assert count("Queued") == window
    database.age_queued(factory.ALPHA, 60)
    assert sweeper.sweep().rung_again == window
    assert (count("Queued"), entries()) == (window, window)


def test_each_settled_job_lets_the_next_ones_in_until_all_are_done(job_type, window, no_sweeps):
    submit_many(job_type, 12)
    done = 0
    while name := next_entry():
        executor.execute_job(name, 1)
        done += 1
        assert count("Queued") <= window
    assert (done, count("Completed")) == (12, 12)


def test_a_submit_behind_others_lines_up_even_if_there_is_room_in_rq(job_type, window, no_sweeps):
    submit_many(job_type, 12)
    next_entry()
    late = submitted(job_type, late=True)
    assert status(late) == "Pending"


def test_behind_a_full_window_a_submit_asks_nothing_after_its_commit(job_type, window, no_sweeps):
    # The jobs in the window make the next pass as they settle. Broken by making one for each submit.
    submit_many(job_type, 12)
    submit_job(job_type, factory.ALPHA, {"late": 1})
    with database.statements() as asked:
        frappe.db.commit()
    assert asked == []
    assert count("Queued") == window


def test_what_lined_up_behind_a_full_window_goes_when_its_jobs_settle(job_type, window, no_sweeps):
    # Broken by keeping the note that the window is full when a pass has found room.
    submit_many(job_type, 6)
    for late in range(8):
        submitted(job_type, late=late)
        if late % 2 and (name := next_entry()):
            executor.execute_job(name, 1)
    while name := next_entry():
        executor.execute_job(name, 1)
    assert (count("Completed"), count("Pending")) == (14, 0)


def test_canceled_jobs_give_their_places_to_others(job_type, window, no_sweeps):
    # Nobody settles who could. Broken by leaving out the pass after a cancel.
    jobs = submit_many(job_type, 12)
    for job in [job for job in jobs if status(job) == "Queued"]:
        cancel_job(job.name)
        frappe.db.commit()
        assert count("Queued") == window
    submitted(job_type, late=True)
    assert count("Queued") == entries() == window


def test_a_submit_lines_up_for_a_pass_when_all_of_the_window_was_claimed(job_type, window, no_sweeps):
    # Broken by trusting the note that the window is full though no entry is left in RQ.
    submit_many(job_type, window + 1)
    while next_entry():
        pass
    frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Running', attempt = 1 WHERE status = 'Queued'")
    frappe.db.commit()
    submitted(job_type, late=True)
    assert (count("Queued"), count("Pending")) == (2, 0)


def test_a_submit_that_finds_nobody_waiting_is_queued_within_its_own_commit(job_type, window, no_sweeps, monkeypatch):
    monkeypatch.setattr(admission, "admit", None)  # no pass
    assert status(submitted(job_type)) == "Queued"


def test_a_pass_under_way_keeps_nobody_waiting(job_type, window, no_sweeps):
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (f"{frappe.conf.db_name}:admit:default",))
        began = time.monotonic()
        submit_many(job_type, 12)
        assert time.monotonic() - began < 2
    assert (count("Queued"), count("Pending")) == (0, 12)
    assert notes.take_request("default"), "who holds the lock is asked for one more"


def test_who_comes_during_a_pass_is_seen_by_the_next(job_type, window, no_sweeps, monkeypatch):
    # Broken by leaving the note only after the lock was refused: the pass may be over by then.
    limited = factory.job_type("limited", max_concurrent=100)
    frappe.db.commit()
    original, late = admission._admit, []

    def admit(queue: str) -> int:
        admitted = original(queue)
        if not late:
            late.append(True)
            (job,) = in_parallel([lambda: submit_and_commit(limited)])
            assert status(job) == "Pending", "its own pass found this one under way"
            late.append(job)
        return admitted

    monkeypatch.setattr(admission, "_admit", admit)
    admission.admit("default")
    assert status(late[1]) == "Queued"


def test_who_finds_the_window_full_during_a_pass_that_has_room_is_seen_by_the_next(
    job_type, window, no_sweeps, monkeypatch
):
    # Broken by asking for no pass where the note says that the window is full: it may be a moment old.
    limited = factory.job_type("limited", max_concurrent=100)
    submit_many(job_type, window + 1)
    original, late = waiting.in_service, []

    def in_service() -> list[dict]:
        found = original()
        if not late:
            late.extend(in_parallel([lambda: submit_and_commit(limited)]))
        return found

    monkeypatch.setattr(waiting, "in_service", in_service)
    for _ in range(3):
        executor.execute_job(next_entry(), 1)
    assert status(late[0]) == "Queued"


def test_a_window_that_was_full_a_moment_ago_is_looked_at_again_when_it_is_empty(job_type, window, no_sweeps):
    # Broken by leaving the note that it is full to its end.
    limited = factory.job_type("limited", max_concurrent=100)
    submit_many(job_type, window + 1)
    while name := next_entry():
        executor.execute_job(name, 1)
    assert status(submitted(limited)) == "Queued"


@pytest.mark.parametrize("release", [1, 2])
def test_who_comes_just_before_the_lock_is_let_go_is_seen_too(job_type, window, no_sweeps, monkeypatch, release):
    # Broken by looking for the note under the lock only: who finds it held leaves the note behind that look.
    limited = factory.job_type("limited", max_concurrent=100)
    frappe.db.commit()
    original, releases, late = sql.named_lock, [], []

    @contextmanager
    def lock(name: str, wait: float = 0):
        with original(name, wait) as is_ours:
            yield is_ours
            releases.append(name)
            if len(releases) == release:
                late.extend(in_parallel([lambda: submit_and_commit(limited)]))

    monkeypatch.setattr(sql, "named_lock", lock)
    admission.admit("default")
    assert all(status(job) == "Queued" for job in late)
    assert late or release == 2


def submit_and_commit(job_type: str):
    frappe.set_user("Administrator")
    job = submit_job(job_type, factory.ALPHA)
    frappe.db.commit()
    return job


def test_passes_in_many_sessions_at_once_keep_the_window(job_type, window, no_sweeps, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(admission, "admit", lambda *_arguments: 0)
        submit_many(job_type, 30)
    assert count("Queued") == 0
    for _round in range(3):
        assert not [found for found in in_parallel([admission.admit_all] * 8) if isinstance(found, BaseException)]
        assert count("Queued") == entries() == window


@pytest.mark.parametrize("number", [1, WINDOW - 2, WINDOW])
def test_submitters_in_the_same_moment_keep_the_window(job_type, window, no_sweeps, number):
    # Seen failing (36 of 5) with submitters that look at the list alone: none has pushed when the others look.
    def submit(name: str) -> None:
        rows = [
            {"job_type": job_type, "organization": factory.ALPHA, "parameters": {"n": name + str(n)}}
            for n in range(number)
        ]
        submit_jobs(rows)
        frappe.db.commit()

    for turn in range(4):
        in_parallel([partial(submit, f"{turn}.{session}.") for session in range(12)])
        assert count("Queued") <= window
        assert entries() <= window
    frappe.db.rollback()  # a snapshot that shows what the other sessions did
    while name := next_entry():
        executor.execute_job(name, 1)
    assert count("Completed") == 48 * number


def test_a_submitter_between_the_commit_of_a_pass_and_its_entries_lines_up(job_type, window, no_sweeps, monkeypatch):
    # Seen failing (ten Queued) with submitters that do not ask whether a pass is under way.
    submit_many(job_type, 2 * window)
    original = redis_queue.without_taken

    def submit_first(jobs, client):
        monkeypatch.setattr(redis_queue, "without_taken", original)
        assert len(jobs) == window, "all that was left"
        in_parallel([lambda: submit_and_commit(job_type)])
        return original(jobs, client)

    for _job in range(window):
        next_entry()
    frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Completed' WHERE status = 'Queued'")
    frappe.db.commit()
    monkeypatch.setattr(redis_queue, "without_taken", submit_first)
    admission.admit("default")
    assert (count("Queued"), count("Pending")) == (window, 1)


def test_a_submitter_that_takes_back_its_commit_gives_back_its_places(job_type, window, no_sweeps, monkeypatch):
    # Seen failing (Pending) without the way back: its places count as taken for seconds.
    submit_jobs({"job_type": job_type, "organization": factory.ALPHA, "parameters": {"n": n}} for n in range(window))
    with monkeypatch.context() as patch:
        patch.setattr(queueing, "queue_new", lambda *_arguments: frappe.db.sql("SELECT no_such_column"))
        with pytest.raises(Exception, match="no_such_column"):
            frappe.db.commit()
    frappe.db.rollback()
    assert status(submitted(job_type)) == "Queued"


def test_places_of_a_submitter_that_was_killed_are_free_again_after_some_seconds(
    job_type, window, no_sweeps, monkeypatch
):
    reservations.reserve({"default": [{"job_type": job_type}] * window})
    assert admission.admit("default") == 0
    assert status(submitted(job_type, n=1)) == "Pending"
    later = clock.now_epoch() + 2 * reservations.SECONDS
    monkeypatch.setattr(clock, "now_epoch", lambda: later)
    assert admission.admit("default") == 1


def test_a_job_that_somebody_holds_during_a_pass_goes_with_the_next_event(job_type, no_sweeps):
    # Seen failing (Pending) when a pass that could not take it says that nobody waits.
    with settings(queue_window=1):
        _first, held = submitted(job_type, n=1), submitted(job_type, n=2)
        with database.another_connection() as other, other.cursor() as cursor:
            other.begin()
            cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE", (held.name,))
            executor.execute_job(next_entry(), 1)
            assert status(held) == "Pending"
            other.rollback()
        submitted(job_type, n=3)
        assert status(held) == "Queued"


def test_a_queue_that_is_idle_costs_a_settle_no_statement(job_type, no_sweeps):
    run(submitted(job_type, n=1))
    job = submitted(job_type, n=2)
    with database.statements() as seen:
        executor.run_one(job.name, 1)
    assert len(seen) <= 6, seen


def test_retries_line_up_too(job_type, window, no_sweeps):
    jobs = submit_many(job_type, 12)
    frappe.db.sql(
        "UPDATE `tabBackground Job` SET status = 'Failed', attempt = 1, in_line = 0, due_epoch = 1,"
        " available_at = '2020-01-01' WHERE job_type = %s",
        (job_type,),
    )
    frappe.db.commit()
    sweeper.sweep()
    assert (count("Queued"), count("Failed")) == (window, len(jobs) - window)


# Turns


def test_organizations_take_turns(job_type, window, no_sweeps):
    with settings(is_paused=1):
        submit_many(job_type, 10)
        submit_many(job_type, 2, factory.BETA)
    admission.admit_all()
    assert organizations_in_rq() == [factory.ALPHA, factory.BETA, factory.ALPHA, factory.BETA, factory.ALPHA]


def test_who_has_one_job_is_next_however_many_others_wait(job_type, window, no_sweeps):
    submit_many(job_type, 50)
    late = submit_many(job_type, 1, factory.BETA)[0]
    for _number in range(WINDOW):
        executor.execute_job(next_entry(), 1)
    assert status(late) in ("Queued", "Completed")


def test_weights_share_out_the_places(job_type, no_sweeps):
    frappe.db.set_value("Organization", factory.BETA, "weight", 3)
    try:
        with settings(is_paused=1):
            alpha, beta = submit_many(job_type, 40), submit_many(job_type, 40, factory.BETA)
        with settings(queue_window=20):
            admission.admit_all()
        assert Counter(organizations_in_rq()) == {factory.ALPHA: 5, factory.BETA: 15}
        assert [status(job) for job in alpha] == ["Queued"] * 5 + ["Pending"] * 35
        assert [status(job) for job in beta] == ["Queued"] * 15 + ["Pending"] * 25, "the longest waiting, also of more"
    finally:
        frappe.db.set_value("Organization", factory.BETA, "weight", 1)
        frappe.db.commit()


def test_within_an_organization_priority_is_a_head_start_and_then_the_due_time_counts(window, no_sweeps):
    # One queue for all priorities, so that they are in one line.
    job_type = factory.job_type("plain", queue="long")
    frappe.db.commit()
    with settings(is_paused=1):
        jobs = {name: submitted_as(job_type, name) for name in ("Low", "Normal", "High", "Critical")}
        old = submitted_as(job_type, "Normal", "old")
        frappe.db.sql(
            "UPDATE `tabBackground Job` SET due_epoch = due_epoch - 7200, admission_rank = admission_rank - 7200"
            " WHERE name = %s",
            (old.name,),
        )
        frappe.db.commit()
        order = [job["name"] for job in waiting.line("long", factory.ALPHA, job_type, 10)]
    assert order == [jobs["Critical"].name, old.name, jobs["High"].name, jobs["Normal"].name, jobs["Low"].name]


def submitted_as(job_type: str, priority: str, text: str = ""):
    job = submit_job(job_type, factory.ALPHA, {"text": text}, priority=priority)
    frappe.db.commit()
    return job
