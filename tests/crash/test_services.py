"""Redis and MariaDB go away and come back, a sweeper is killed half-way: nothing is lost (R4, R5)."""

from __future__ import annotations

import contextlib
import signal
import socket
import time

import frappe
import psutil

from dartwing_core.jobs import get_job_status, submit_job
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.rq import due_sites
from dartwing_core.jobs.schedules import schedule_store
from dartwing_core.jobs.sweep import sweeper
from tests.support import database, factory, processes, rows
from tests.support.fleet import Fleet
from tests.support.jobs import entries, submit_many, submitted
from tests.support.schedules import due_times, every, made, state
from tests.support.waiting import until


def test_flushing_redis_loses_no_job(fleet: Fleet):
    job_type = factory.job_type("row", "write_row")
    fleet.hire(2)
    submit_many(job_type, 100, seconds=0.02)
    until(lambda: rows.in_status(job_type) > 5, 20, "the first jobs")
    processes.queue_client().flushdb()
    until(lambda: rows.in_status(job_type) == 100, 60, "all jobs")
    assert rows.each_ran_once(100)


def test_a_redis_that_hangs_delays_a_submit_by_seconds_and_fails_none(site, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, answers nothing
        monkeypatch.setitem(frappe.local.conf, "redis_queue", f"redis://127.0.0.1:{mute.getsockname()[1]}")
        began = time.monotonic()
        job = submit_job("echo_job", factory.ALPHA, {"while": "hanging"})
        frappe.db.commit()
        assert time.monotonic() - began < 4
        began = time.monotonic()
        submitted("echo_job", until="forever")
        assert time.monotonic() - began < 1, "the next ones do not ask it again at once"
    monkeypatch.undo()
    assert get_job_status(job.name)["status"] == "Queued"
    assert entries() == set(), "no worker has heard of them"
    assert sweeper.sweep().rung == 1, "without a worker one entry does for both"


def test_killed_database_connections_lose_no_job(fleet: Fleet):
    job_type = factory.job_type("row", "write_row", retry_delays="0", max_retries=10)
    fleet.hire(2)
    submit_many(job_type, 60, seconds=0.02)
    own = frappe.db._conn.thread_id()

    def kill_others() -> None:
        with database.another_connection() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE db = %s AND id NOT IN (%s, CONNECTION_ID())",
                (frappe.conf.db_name, own),
            )
            for (number,) in cursor.fetchall():
                with contextlib.suppress(*database.DRIVER_ERRORS):  # it has ended by itself
                    cursor.execute("KILL %s", (number,))

    last = 0
    rounds = 0

    def all_done() -> bool:
        nonlocal last, rounds
        fleet.hire(2)
        done = rows.in_status(job_type)
        if done >= last + 5 and rounds < 8:
            last, rounds = done, rounds + 1
            kill_others()
        return done == 60

    until(all_done, 90, "all jobs")
    assert rounds >= 5
    assert rows.each_ran_once(60)


WAITING = (
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
    " WHERE STATE LIKE 'Waiting for table%%' AND INFO LIKE '%%INSERT INTO `tabJob Execution Log`%%'"
)


def test_a_killed_sweeper_leaves_a_due_time_to_the_next_one(no_sweeps):
    # Seen failing (a due time without a job) with the next due time committed before the job is made.
    found = made(factory.job_type("plain"), **every(60))
    due = float(int(clock.now_epoch()) - 30)
    schedule_store.update(found.name, {"anchor_epoch": due - 3_600} | schedule_store.next_columns(due))
    due_sites.note_after_commit(due)
    frappe.db.commit()
    with database.another_connection() as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES `tabJob Execution Log` WRITE")  # the job's row is there, its history is not
        worker = processes.start_worker()
        try:
            until(lambda: database.value(WAITING), 60, "a sweeper in the middle of a run")
            (horse,) = psutil.Process(worker.pid).children()
            worker.signal(signal.SIGKILL)
            horse.kill()
        finally:
            worker.stop()
            cursor.execute("UNLOCK TABLES")
    until(lambda: not database.value(WAITING), 10, "the end of its statement")

    def swept() -> list[float]:
        sweeper.sweep()  # the server takes a moment to undo what the dead connection did
        return due_times(found)

    assert until(swept, 30, "the job") == [due]
    assert state(found).next_run_epoch > clock.now_epoch()
    sweeper.sweep()
    assert due_times(found) == [due]
