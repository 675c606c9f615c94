"""The private MariaDB is shut down or killed while jobs run, wait and are submitted: lost 0, doubled 0 (R5).

Seen failing: where the agent keeps its connection it never sweeps again; jobs stay Running without both
`is_lost` in `connection.retried` and `rescue.sweep` in the sweep, either of which is enough.
"""

from __future__ import annotations

import signal

import frappe
import pytest

from dartwing_core.jobs import submit_job, submit_jobs
from tests.support import database, factory, mariadb, rows
from tests.support.fleet import Fleet
from tests.support.jobs import status, submit_many
from tests.support.waiting import until

pytestmark = [
    pytest.mark.skipif(not mariadb.is_ours(), reason="the database server is the bench's"),
    pytest.mark.timeout(300),
]

JOBS = 60


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["shutdown", "kill"])
def test_a_restart_of_the_database_loses_no_job_and_doubles_none(fleet: Fleet, how):
    job_type = factory.job_type("row", "write_row", retry_delays="0", max_retries=3)
    fleet.hire(2)
    submit_many(job_type, JOBS, seconds=0.1)
    until(lambda: rows.in_status(job_type) >= 5, 30, "the first jobs")
    submit_jobs([{"job_type": job_type, "organization": factory.ALPHA}] * 5)  # of a transaction that the restart undoes
    mariadb.stop(how)
    with pytest.raises(database.DRIVER_ERRORS):
        frappe.db.commit()
    mariadb.start()
    until(lambda: fleet.hire(2) or rows.in_status(job_type) == JOBS, 90, "all jobs")
    assert rows.each_ran_once(JOBS)
    assert database.value("SELECT COUNT(*) FROM `tabBackground Job` WHERE job_type = %s", job_type) == JOBS
    fleet.dismiss()
    fleet.hire(1)
    due = submit_job(job_type, factory.ALPHA, available_at=1)
    frappe.db.commit()
    until(lambda: status(due) != "Pending", 15, "a sweep")
