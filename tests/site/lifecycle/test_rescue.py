"""A lost attempt is found by its lease and ended once: tried again, timed out, canceled or dead."""

from __future__ import annotations

import time

import frappe
import pytest

from dartwing_core.jobs import cancel_job, get_job_history, get_job_status, submit_job
from dartwing_core.jobs.job import find, runs
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.sweep import rescue, sweeper
from tests.support import attempts, database, factory, processes
from tests.support.jobs import LONG_AGO, lose, lose_long_ago, messages, set_columns, submitted
from tests.support.lifecycle import made, running
from tests.support.sessions import committed, in_parallel
from tests.support.settings import settings

pytestmark = pytest.mark.usefixtures("no_sweeps")


def test_an_attempt_without_a_sign_of_life_is_tried_again_and_the_third_is_the_last():
    job_type = made("nothing", max_retries=0)
    job = running(job_type)
    for attempt in (1, 2, 3):
        lose(job)
        assert sweeper.sweep().rescued == 1
        if attempt < 3:
            assert get_job_status(job.name)["status"] == "Queued"
            attempts.taken(job.name, attempt + 1)
    status = get_job_status(job.name)
    assert (status["status"], status["retry_count"]) == ("Dead Letter", 0)


def test_an_attempt_that_ends_by_itself_begins_the_count_of_crashes_and_the_progress_anew():
    # Seen failing without `crash_count` in `record.Job.end`, and without `progress` in `start`.
    job = submitted(made("raises", max_retries=2), what="connection")
    set_columns(job, crash_count=2, progress=50, progress_message="half")
    attempt = attempts.begun(job.name, 1)
    columns = ["crash_count", "progress", "progress_message"]
    assert frappe.db.get_value("Background Job", job.name, columns) == (2, 0, None)
    attempt.make()
    assert frappe.db.get_value("Background Job", job.name, ["status", "crash_count"]) == ("Failed", 0)


def test_a_note_of_rqs_that_can_not_be_read_holds_up_no_rescue():
    # Seen failing: the job stayed Running for as long as RQ kept the note.
    job = running(made("nothing"))
    lose(job)
    set_columns(job, rq_job_id="unreadable")
    processes.queue_client().xadd("rq:results:unreadable", {"type": "2", "exc_string": "no base64", "created_at": "x"})
    assert sweeper.sweep().rescued == 1
    assert get_job_status(job.name)["error_message"].startswith("The worker was lost: it was killed")


@pytest.mark.parametrize("asked_to_stop", [False, True])
def test_an_attempt_that_holds_its_own_row_is_ended_all_the_same(asked_to_stop):
    # A comment on its job is enough for that. Broken by settling without a KILL before it in `rescue._end`: the UPDATE
    # waits for the lost attempt, three times, and so does every job behind it.
    # A server that started after the attempt has given its connection's number to somebody else.
    jobs = [running(made(name)) for name in ("nothing", "stepped")]
    for job in jobs:
        if asked_to_stop:
            committed(cancel_job, job.name)
            long_ago = clock.now_epoch() - 60
            committed(frappe.db.set_value, "Background Job Run", f"{job.name}-1", "cancel_requested_epoch", long_ago)
        else:
            lose_long_ago(job)
    with settings(lease_seconds=5), database.another_connection() as attempt, attempt.cursor() as cursor:
        number = attempt.thread_id()
        committed(frappe.db.set_value, "Background Job", jobs[0].name, "connection_id", number, update_modified=False)
        cursor.execute("BEGIN")
        cursor.execute("UPDATE `tabBackground Job` SET progress = 1 WHERE name = %s", (jobs[0].name,))
        report = sweeper.sweep()
        assert (report.rescued, report.stopped) == ((0, 2) if asked_to_stop else (2, 0))
        with pytest.raises(database.DRIVER_ERRORS):
            cursor.execute("COMMIT")
    assert {get_job_status(job.name)["status"] for job in jobs} == {"Canceled" if asked_to_stop else "Queued"}


def test_leases_go_by_the_clock_of_the_database(monkeypatch):
    # Broken by `clock.now_epoch()` on either side: a worker whose clock is slow is taken for lost at once.
    monkeypatch.setattr(clock, "now_epoch", lambda: time.time() - 3_600)
    job = running(made("nothing"))
    monkeypatch.undo()
    assert rescue.sweep().rescued == 0
    monkeypatch.setattr(clock, "now_epoch", lambda: time.time() + 3_600)
    assert rescue.sweep().rescued == 0
    lose(job)
    assert rescue.sweep().rescued == 1


def test_a_job_whose_worker_was_lost_has_its_old_place_in_line():
    # Seen failing: behind all that were submitted before its rescue, with the rank of a job that is due now.
    job_type = made("nothing", queue="short")
    lost = running(job_type)
    in_line = [submitted(job_type, n=n) for n in range(4)]
    lose(lost)
    assert sweeper.sweep().rescued == 1
    assert attempts.run_all() == [job.name for job in (lost, *in_line)]


def rescued_late(connection_id: int | None = None, last_beat: float | None = None) -> tuple[str, int]:
    """How an attempt with a limit of 2 s ends, and the job's retries, if somebody looks after 10 s.

    It beat for `last_beat` seconds.
    """
    job = running(made("nothing", default_timeout=2, max_retries=1))
    lose_long_ago(job)
    if connection_id:
        set_columns(job, connection_id=connection_id)
    if last_beat:
        (now,) = database.rows("SELECT UNIX_TIMESTAMP()")[0]
        beat = {"background_job": job.name, "attempt": 1, "lease_expires_epoch": float(now) - LONG_AGO + last_beat + 5}
        committed(runs.write, f"{job.name}-1", beat)
    with settings(lease_seconds=5):
        assert rescue.sweep().rescued == 1
    end = next(event for event in get_job_history(job.name)["history"] if event["from_status"] == "Running")
    return end["to_status"], get_job_status(job.name)["retry_count"]


def closed_connection() -> int:
    with database.another_connection() as other:
        return other.thread_id()


def test_a_lost_attempt_that_is_still_there_after_its_time_limit_is_timed_out():
    assert rescued_late() == ("Timed Out", 1)


def test_a_lost_attempt_that_ran_out_of_time_for_the_last_time_is_timed_out_and_its_job_dead():
    # Seen failing: the attempt said "Dead Letter".
    job = running(made("nothing", default_timeout=2, max_retries=0))
    lose_long_ago(job)
    with settings(lease_seconds=5):
        assert rescue.sweep().rescued == 1
    assert get_job_status(job.name)["status"] == "Dead Letter"
    assert frappe.db.get_value("Background Job Run", f"{job.name}-1", "outcome") == "Timed Out"


@pytest.mark.parametrize(("last_beat", "end"), [(None, ("Failed", 0)), (1, ("Failed", 0)), (4, ("Timed Out", 1))])
def test_an_attempt_that_died_before_its_time_limit_costs_no_retry_however_late_somebody_looks(last_beat, end):
    # Seen failing ("Timed Out") with the age at the rescue in place of the last sign of life.
    assert rescued_late(closed_connection(), last_beat) == end


@pytest.mark.parametrize("has_row", [True, False])
@pytest.mark.parametrize("limit", [2, 3600])
def test_a_cancel_after_the_look_for_lost_attempts_wins(has_row, limit):
    # Seen failing: the job was tried again, after a cancel that was accepted.
    job = running(made("nothing", default_timeout=limit))
    if has_row:
        committed(runs.write, f"{job.name}-1", {"background_job": job.name, "attempt": 1, "lease_expires_epoch": 1})
    lose_long_ago(job)
    with settings(lease_seconds=5):
        [seen] = [row for row in find.doubtful(rescue.ATTEMPTS) if row["name"] == job.name]
        committed(cancel_job, job.name, reason="enough")
        assert rescue._rescue(seen)
    assert get_job_status(job.name)["status"] == "Canceled"
    assert messages(job)[-1] == "Job canceled while running: enough"
    attempt = frappe.get_doc("Background Job Run", f"{job.name}-1")
    assert (attempt.outcome, attempt.error_message) == ("Canceled", None)


def test_the_lease_is_a_setting_with_a_floor():
    with settings(lease_seconds=60):
        job = running(made("nothing"))
        lose(job)
        lose(job, 30)
        assert rescue.sweep().rescued == 0
    with pytest.raises(frappe.ValidationError, match="at least 5"), settings(lease_seconds=1):
        pass


def test_two_sweeps_at_the_same_time_do_each_thing_once(monkeypatch):
    # I3. Broken by leaving the status out of the WHERE in `record._update`.
    job_type = made("nothing")
    jobs = [submit_job(job_type, factory.ALPHA, {"n": n}, available_at=3600) for n in range(30)]
    committed(frappe.db.sql, "UPDATE `tabBackground Job` SET due_epoch = 1 WHERE job_type = %s", (job_type,))
    reports = in_parallel([sweeper.sweep] * 4)
    assert sum(report.queued for report in reports) == 30, reports
    for job in jobs:
        assert messages(job) == ["Job created", "Job enqueued"]
