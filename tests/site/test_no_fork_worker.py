"""Job after job in one process, as Frappe 16's no-fork workers run them."""

from __future__ import annotations

import sys

import frappe
import pytest

from dartwing_core.jobs import get_job_status
from tests.support import database, factory, processes
from tests.support.jobs import submitted

ENDS = {
    "return": "Completed",
    "callback": "Completed",
    "fail": "Dead Letter",
    "exit": "Failed",
    "time": "Timed Out",
}


@pytest.mark.live
def test_jobs_in_one_process_end_properly_and_leave_nothing_to_each_other():
    # Seen failing: "exit" stays Running without `except BaseException` in `Attempt.make`. Between RQ jobs Frappe renews
    # its context; tests/site/test_isolation.py looks at what the engine itself clears away.
    mess = factory.job_type("mess", f"{factory.FAULTS}.leaves_a_mess", default_timeout=1)
    look = factory.job_type("look", f"{factory.FAULTS}.looks_around")
    frappe.db.commit()
    looks = [submitted(look, n=0)]
    jobs = {}
    for number, then in enumerate(ENDS, 1):
        jobs[then] = submitted(mess, then=then)
        looks.append(submitted(look, n=number))
    worker = processes.Process("simple-worker", [sys.executable, "-P", "-m", "tests.support.simple_worker"])
    assert worker.popen.wait(60) == 0, worker.log.read_text()[-3000:]
    frappe.db.rollback()
    for then, job in jobs.items():
        assert get_job_status(job.name)["status"] == ENDS[then], then
        written = database.value("SELECT COUNT(*) FROM tabNote WHERE title = %s", f"test {job.name}")
        assert written == (ENDS[then] == "Completed"), then
    found = [get_job_status(job.name)["result"] for job in looks]
    assert found[0]
    assert found == [found[0]] * len(looks)
