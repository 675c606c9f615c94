"""Several attempts in one process: nothing of one reaches the next, or whoever runs them."""

from __future__ import annotations

import contextlib

import frappe
import pytest
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from dartwing_core.jobs import sweeper
from tests.support import database, factory
from tests.support.faults import surroundings
from tests.support.jobs import run, submitted

pytestmark = pytest.mark.timeout(60, method="thread")  # RQ takes the alarm for itself

ENDS = {
    "return": "Completed",
    "callback": "Completed",
    "fail": "Dead Letter",
    "exit": "Failed",
    "time": "Timed Out",
}


@pytest.mark.parametrize("then", ENDS)
def test_an_attempt_leaves_nothing_to_the_next(then, monkeypatch):
    # Seen failing without each line of `leftovers` that undoes something, but for the user's formats and for
    # `value_cache`, which newer Frappe empties by itself with each commit.
    monkeypatch.setattr(sweeper, "sweep_now_and_then", lambda: None)
    mess = factory.job_type("mess", f"{factory.FAULTS}.leaves_a_mess", default_timeout=1)
    look = factory.job_type("look", f"{factory.FAULTS}.looks_around")
    frappe.db.commit()
    first = submitted(look, n=1)
    frappe.db.rollback()  # the callbacks of a commit's own transaction go with it
    expected = run(first)["result"]
    frappe.local.form_dict = frappe._dict(mine=1)
    before = surroundings()
    job, next_job = submitted(mess, then=then), submitted(look, n=2)
    frappe.db.rollback()
    with contextlib.suppress(SystemExit), UnixSignalDeathPenalty(2, JobTimeoutException):
        run(job)
    assert surroundings() == before
    assert run(job, attempt=9)["status"] == ENDS[then]
    assert run(next_job)["result"] == expected
    assert database.value("SELECT COUNT(*) FROM tabNote WHERE title = %s", f"test {job.name}") == (
        ENDS[then] == "Completed"
    )
