"""Which errors are lost races."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs.lib import server_errors
from tests.support.database import DRIVERS


@pytest.mark.parametrize("driver", DRIVERS)
def test_lost_races_are_recognized_behind_frappes_wrappers(driver):
    deadlock = driver.OperationalError(1213, "deadlock")
    assert server_errors.is_conflict(deadlock)
    assert server_errors.is_conflict(frappe.QueryDeadlockError(deadlock))
    assert server_errors.is_conflict(driver.OperationalError(1305, "SAVEPOINT x does not exist")), (
        "a deadlock before it"
    )
    assert not server_errors.is_conflict(driver.OperationalError(1305, "FUNCTION x.y does not exist"))
    assert not server_errors.is_conflict(driver.IntegrityError(1062, "duplicate"))
    assert not server_errors.is_conflict(ValueError(1213))
