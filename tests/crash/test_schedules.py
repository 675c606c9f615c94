"""A sweeper that is killed between the job of a schedule and its next due time leaves neither; the next makes it."""

from __future__ import annotations

import signal

import frappe
import pytest

from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.schedules import schedule_store
from dartwing_core.jobs.sweep import sweeper
from tests.support import database, factory, processes
from tests.support.schedules import due_times, every, made, state
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("no_sweeps")

WAITING = (
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
    " WHERE STATE LIKE 'Waiting for table%%' AND INFO LIKE '%%INSERT INTO `tabJob Execution Log`%%'"
)


def test_a_killed_sweeper_leaves_a_due_time_to_the_next_one(site):
    # Seen failing (a due time without a job) with the next due time committed before the job is made.
    found = made(factory.job_type("plain"), **every(60))
    due = float(int(clock.now_epoch()) - 30)
    schedule_store.update(found.name, {"anchor_epoch": due - 3_600} | schedule_store.next_columns(due))
    frappe.db.commit()
    with database.another_connection() as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES `tabJob Execution Log` WRITE")  # the job's row is there, its history is not
        agent = processes.start_agent()
        try:
            until(lambda: database.value(WAITING), 60, "a sweeper in the middle of a run")
            agent.signal(signal.SIGKILL)
            agent.popen.wait(10)
        finally:
            agent.stop()
            cursor.execute("UNLOCK TABLES")
    until(lambda: not database.value(WAITING), 10, "the end of its statement")

    def swept() -> list[float]:
        sweeper.sweep()  # the server takes a moment to undo what the dead connection did
        return due_times(found)

    assert until(swept, 30, "the job") == [due]
    assert state(found).next_run_epoch > clock.now_epoch()
    sweeper.sweep()
    assert due_times(found) == [due]
