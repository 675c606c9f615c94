"""A transaction that stays open after an operation on one job costs no other job its attempt."""

from __future__ import annotations

from collections.abc import Callable

import frappe
import pytest

from dartwing_core.jobs import retry_job
from tests.support import database, factory
from tests.support.jobs import run, status, submitted
from tests.support.waiting import until

OPERATIONS: dict[str, Callable[[str], object]] = {
    "delete": lambda name: frappe.delete_doc("Background Job", name),
    "retry": lambda name: retry_job(name, {"seconds": 0.1}),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_running_job_goes_on_beside_an_open_operation_on_its_neighbour(site, fleet, operation):
    # Seen failing: the server locked the gap for the rows of newer jobs. The heartbeat waited there longer than its
    # lease, the attempt counted as lost, and the job ran twice.
    quiet = factory.job_type("quiet", "quiet")
    old = submitted(quiet, seconds=0)
    run(old)
    frappe.db.set_value("Background Job", old.name, "status", "Dead Letter")
    frappe.db.commit()
    fleet.hire(2)
    healthy = submitted(quiet, seconds=9)
    until(lambda: status(healthy) == "Running", 20, "start")
    frappe.db.commit()
    OPERATIONS[operation](old.name)
    seen = "SELECT CONCAT(status, attempt) FROM `tabBackground Job` WHERE name = %s"
    until(lambda: database.value(seen, healthy.name) == "Completed1", 60, "its first attempt")
