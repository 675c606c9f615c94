"""What a sweep and a batch ask goes along indexes and stops at its limit, however many jobs there are.

Among 15,000 jobs: on a table of a few rows MariaDB would read all of it, and be right.
Seen failing: without the index on in_line, status, waits_for, due_epoch, unfound_since_epoch; without that on the
runs' background_job; without that on parent_batch, status.
"""

from __future__ import annotations

from functools import partial

import frappe
import pytest

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.job import batch_store, find
from dartwing_core.jobs.lib import clock, config, sql
from dartwing_core.jobs.read import holdups
from dartwing_core.jobs.status import WAITING
from tests.support import database, factory, population

LIMIT = 100
DIVISOR = 20
DUE_INDEX = {"in_line", "status", "waits_for", "due_epoch", "unfound_since_epoch"}


MEMBERS, MEMBER_INDEX = 2_000, "parent_batch_status_index"


@pytest.fixture(scope="module")
def crowd(empty_site: None) -> str:
    """15,000 jobs, MEMBERS completed ones of them and one that is not in a batch; its name. 300 batches."""
    population.fill(factory.job_type("plain"), DIVISOR)
    now = clock.site_time()
    for number in range(300):
        row = {"name": f"BATCH-{number:04}", "creation": now, "modified": now, "organization": factory.ALPHA}
        sql.insert_rows(
            config.BATCH, [row | {"owner_user": "Administrator", "status": "Running" if number < 20 else "Failed"}]
        )
    frappe.db.sql(
        "UPDATE `tabBackground Job` SET parent_batch = 'BATCH-0000' WHERE status = 'Completed' LIMIT %s", (MEMBERS,)
    )
    frappe.db.set_value(config.JOB, population.name("L", 1), "parent_batch", "BATCH-0000")
    frappe.db.commit()
    frappe.db.sql(f"ANALYZE TABLE `tab{config.JOB}`, `tab{config.BATCH}`")
    return "BATCH-0000"


def index_of(plan: dict) -> set[str]:
    """The columns of the index that a plan uses."""
    table = config.RUN if plan["table"] == f"tab{config.RUN}" else config.JOB
    rows = frappe.db.sql(f"SHOW INDEX FROM `tab{table}` WHERE Key_name = %s", (plan["key"],), as_dict=True)
    return {row.Column_name for row in rows}


def check(query, columns: set[str], reads: int) -> None:
    """The job table is entered by the index on these columns, without sorting it; at most so many rows are read."""
    plans = database.explain(query)
    entry = next(plan for plan in plans if plan["table"] == f"tab{config.JOB}")
    assert index_of(entry) == columns, plans
    assert "filesort" not in (entry["Extra"] or ""), plans
    assert all(plan["type"] != "ALL" or plan["table"].startswith("<derived") for plan in plans), plans
    assert database.rows_read(query) <= reads, plans


def test_the_sweeps_queries_use_indexes(crowd):
    now = clock.now_epoch()
    for status in WAITING:
        check(partial(find.due, status, now, LIMIT), DUE_INDEX, 5)  # 1,000 are due, but wait for others
        check(partial(find.due, status, now + 10 * 86_400, LIMIT), DUE_INDEX, LIMIT + 5)
    parent = population.name("L", 2)
    check(partial(find.children, parent, LIMIT), DUE_INDEX, 8)  # two children, and whether they have other parents
    check(partial(find.parents, "", LIMIT), DUE_INDEX, 7 * LIMIT)  # two children each, their parent, a temporary table
    check(partial(find.parents, parent, LIMIT), DUE_INDEX, 7 * LIMIT)


def test_the_look_for_jobs_without_their_code_reads_no_other_retried_jobs(crowd):
    # Seen failing: without `unfound_since_epoch` in the index.
    failed = population.name("F", 1)
    frappe.db.set_value(config.JOB, failed, {"unfound_since_epoch": 1, "error_message": "missing"})
    check(partial(holdups.missing_code, visibility.viewer("Administrator")), DUE_INDEX, 5)
    member = factory.user("crowd_member", factory.ALPHA)
    assert database.rows_read(partial(holdups.missing_code, visibility.viewer(member))) <= 5


def test_the_look_before_a_sweep_reads_a_row_of_each_kind_and_what_runs(crowd):
    query = partial(find.outlook, clock.now_epoch(), 20, 15)
    plans = database.explain(query)
    assert all(plan["type"] != "ALL" and "filesort" not in (plan["Extra"] or "") for plan in plans), plans
    running = database.value("SELECT COUNT(*) FROM `tabBackground Job` WHERE status = 'Running'")
    assert database.rows_read(query) <= 10 + 3 * running, plans


def test_only_doubtful_attempts_are_returned_and_only_running_ones_read(crowd):
    query = partial(find.doubtful, LIMIT)
    plans = {plan["table"]: plan for plan in database.explain(query)}
    assert "status" in index_of(plans[f"tab{config.JOB}"]), plans
    assert index_of(plans[f"tab{config.RUN}"]) == {"background_job"}, plans
    assert database.rows_read(query) <= 6 * (300 // DIVISOR)
    assert query() == []


def test_a_batch_is_looked_at_along_its_index(crowd):
    for query, most in ((partial(batch_store.states, [crowd]), 12), (partial(batch_store.counts, crowd), MEMBERS + 20)):
        assert {plan["key"] for plan in database.explain(query)} <= {"PRIMARY", MEMBER_INDEX}
        assert database.rows_read(query) <= most
