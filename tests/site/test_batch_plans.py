"""What is asked about a batch goes along indexes: a settle's look reads a handful of rows of ten thousand.

Seen failing without the index on parent_batch, status: every look reads the job table.
"""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs.job import batch_store
from dartwing_core.jobs.lib import clock, config
from dartwing_core.jobs.sweep import retention
from tests.support import database, factory, population

MEMBERS = 2_000
MEMBER_INDEX = "parent_batch_status_index"


@pytest.fixture
def crowd(site: None) -> str:
    """A batch of MEMBERS completed jobs and one that is not, among 15,000 others; its name."""
    population.fill(factory.job_type("plain"), 20)
    now = clock.site_time()
    for number in range(300):
        row = {"name": f"BATCH-{number:04}", "creation": now, "modified": now, "organization": factory.ALPHA}
        batch_store.insert(row | {"owner_user": "Administrator", "status": "Running" if number < 20 else "Failed"})
    frappe.db.sql(
        "UPDATE `tabBackground Job` SET parent_batch = 'BATCH-0000' WHERE status = 'Completed' LIMIT %s", (MEMBERS,)
    )
    frappe.db.set_value(config.JOB, population.name("L", 1), "parent_batch", "BATCH-0000")
    frappe.db.commit()
    frappe.db.sql(f"ANALYZE TABLE `tab{config.JOB}`, `tab{config.BATCH}`")
    return "BATCH-0000"


def keys(query) -> set[str]:
    return {plan["key"] for plan in database.explain(query)}


def test_a_look_at_a_batch_reads_a_handful_of_rows(crowd):
    query = batch_store.states_query([crowd])
    assert keys(query) == {"PRIMARY", MEMBER_INDEX}
    assert database.rows_read(query) <= 12
    assert query.run(as_dict=True)[0]["is_live"] == 1


def test_its_progress_reads_its_own_rows_alone(crowd):
    query = batch_store.counts_query(crowd)
    assert keys(query) == {MEMBER_INDEX}
    assert database.rows_read(query) <= MEMBERS + 20


def test_running_batches_and_members_are_found_in_order(crowd):
    query = batch_store.running_query("BATCH-0004", 5)
    plans = database.explain(query)
    assert "filesort" not in (plans[0]["Extra"] or ""), plans
    assert database.rows_read(query) <= 20
    assert database.rows_read(retention.empty_batches_query(clock.site_time())) <= 20
    plans = database.explain(batch_store.members_query(crowd, ["Completed"], 100, population.name("C", 500)))
    assert ({plan["key"] for plan in plans}, plans[0]["type"]) == ({MEMBER_INDEX}, "range"), plans
