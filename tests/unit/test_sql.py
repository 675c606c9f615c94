"""Which errors are lost races, and names of locks."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs.lib import named_locks, server_errors
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


def test_locks_have_names_of_their_own_however_long_the_databases_is(monkeypatch):
    # Seen failing with names that were cut: all cancels of such a site waited for each other.
    monkeypatch.setattr(frappe.local, "conf", frappe._dict(db_name="d" * 60), raising=False)
    names = {named_locks.lock_name(f"cancel:JOB-{number:020}-1") for number in range(3)}
    assert len(names) == 3
    assert all(len(name) <= 64 for name in names)
    assert named_locks.lock_name("a") == f"{'d' * 60}:a"
