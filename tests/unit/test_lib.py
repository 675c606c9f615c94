"""Clock, names, clients of Redis, and which errors of the database are lost races."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import frappe
import pytest

from dartwing_core.jobs.lib import clock, ids, server_errors
from dartwing_core.jobs.rq.redis_queue import ANSWER_TIMEOUT, client_of
from tests.support.database import DRIVERS


def test_site_time_and_back_with_its_offset(monkeypatch):
    monkeypatch.setattr(clock, "site_zone", lambda: ZoneInfo("Europe/Berlin"))
    utc = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
    assert clock.site_time(utc.timestamp()) == datetime(2026, 7, 1, 14)
    assert clock.to_epoch(datetime(2026, 7, 1, 14)) == clock.to_epoch(utc) == utc.timestamp()
    assert clock.isoformat(datetime(2026, 7, 1, 14)) == "2026-07-01T14:00:00+02:00"


def test_names_sort_in_the_order_of_their_making_and_fit_rq_and_frappe():
    # Regression 13: no counter. RQ from 2.1 on refuses other characters in an id; Frappe's name column holds 140.
    names = [ids.new_name("JOB") for _number in range(5_000)]
    assert names == sorted(set(names))
    assert re.fullmatch(r"JOB-[0-9A-Z]{20}", names[0])
    assert re.fullmatch(r"[A-Za-z0-9_-]+", ids.run_name(names[0], 12))


@pytest.mark.parametrize("address", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1"])
def test_any_kind_of_address_of_redis_has_a_client_that_gives_up_soon(address):
    # Seen failing on Frappe 15: a TypeError of redis-py 4.5 for a socket of the machine, which no caller expects.
    assert client_of(address).connection_pool.make_connection().socket_timeout == ANSWER_TIMEOUT


@pytest.mark.parametrize("driver", DRIVERS)
def test_lost_races_are_recognized_behind_frappes_wrappers(driver):
    deadlock, savepoint = driver.OperationalError(1213, "x"), "SAVEPOINT x does not exist"  # a deadlock before it
    for error in (deadlock, frappe.QueryDeadlockError(deadlock), driver.OperationalError(1305, savepoint)):
        assert server_errors.is_conflict(error)
    function = driver.OperationalError(1305, "FUNCTION x.y does not exist")
    for error in (function, driver.IntegrityError(1062, "duplicate"), ValueError(1213)):
        assert not server_errors.is_conflict(error)
