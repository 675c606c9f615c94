"""What the circuit breaker asks goes along indexes: a failing attempt reads the latest attempts of its type and
organization and no others; an admission pass the circuits that are open.

Seen failing: without the index on circuit_key, circuit_epoch, circuit_failure every failure reads all attempts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import frappe
import pytest

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.job import circuits
from dartwing_core.jobs.lib import clock, config
from dartwing_core.jobs.operations import circuits as circuit_operations
from tests.support import database, factory

ATTEMPTS, LATEST = 20_000, 100
BREAKER = SimpleNamespace(circuit_breaker_window_minutes=60, circuit_breaker_min_samples=10)
PAIR = {"job_type": "test_plain", "organization": factory.ALPHA}
OTHERS = (
    "INSERT INTO `tabBackground Job Run` (name, creation, background_job, circuit_key, circuit_epoch, circuit_failure)"
    " SELECT CONCAT('JOB-CIRCUIT-', seq), NOW(6), 'JOB-CIRCUIT', IF(seq %% 4, NULL, IF(seq %% 8, 'other', %s)),"
    " IF(seq %% 4, 0, %s - seq / 100), seq %% 3 = 0 FROM seq_1_to_{}"
)
CIRCUITS = (
    "INSERT INTO `tabJob Circuit` (name, creation, job_type, organization, status, opened_at, open_until_epoch)"
    " SELECT CONCAT('CIRCUIT-', seq), NOW(6), CONCAT('test_', seq % 20), CONCAT('Test ', seq),"
    " IF(seq % 50, 'Closed', 'Open'), NOW(6), 0 FROM seq_1_to_2000"
)


@pytest.fixture(scope="module", autouse=True)
def _crowd(empty_site: None) -> Iterator[None]:
    now = clock.now_epoch()
    frappe.db.sql(OTHERS.format(ATTEMPTS), (circuits.key(PAIR), now))
    frappe.db.sql(CIRCUITS)
    frappe.db.commit()
    frappe.db.sql(f"ANALYZE TABLE `tab{config.RUN}`, `tab{config.CIRCUIT}`")
    yield
    frappe.db.sql(f"DELETE FROM `tab{config.RUN}` WHERE background_job = 'JOB-CIRCUIT'")
    frappe.db.sql(f"DELETE FROM `tab{config.CIRCUIT}` WHERE organization LIKE 'Test %'")
    frappe.db.commit()


def test_a_failure_reads_the_latest_of_its_own_attempts_from_the_index_alone(monkeypatch):
    monkeypatch.setattr(circuits, "LATEST", LATEST)
    query = partial(circuits.tally, PAIR, BREAKER)
    plans = database.explain(query)
    (of_runs,) = [plan for plan in plans if plan["key"] and "circuit_key" in plan["key"]]
    assert "Using index" in of_runs["Extra"], plans
    assert "filesort" not in of_runs["Extra"], plans
    assert database.rows_read(query) <= 3 * LATEST
    assert query().samples == LATEST


def test_a_pass_reads_the_open_circuits_of_its_types():
    query = partial(circuits.of_types, ["test_0", "test_10"])
    assert database.explain(query)[0]["key"] != "PRIMARY"
    assert database.rows_read(query) <= 100
    assert len(query()) == 40


def test_who_lists_open_circuits_reads_no_closed_ones():
    viewer = visibility.viewer("Administrator")
    assert database.rows_read(circuit_operations.open_query(viewer, "Test 50")) <= 20
