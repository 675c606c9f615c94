"""What an admission pass asks reads as many rows as there are organizations and places, however many jobs wait.

Seen failing: without the index on in_line, queue, organization, job_type, admission_rank; with `in_line = 1` and one
queue in `waiting.heads_query` instead of a range over all: MariaDB then reads all entries, 100 ms with 100,000.
"""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import admission, backlog, clock, waiting
from tests.support import database, factory, population
from tests.support.settings import settings

ORGANIZATIONS, TYPES, JOBS = 100, 2, 10_000


@pytest.fixture
def crowd(site: None) -> str:
    name = factory.job_type("plain")
    population.line_up(name, JOBS, ORGANIZATIONS, TYPES)
    return name


def test_who_is_in_line_is_read_from_group_to_group(crowd):
    query = waiting.heads_query()
    (plan,) = database.explain(query)
    assert "Using index for group-by" in plan["Extra"], plan
    assert len(query.run()) == ORGANIZATIONS * TYPES
    assert database.rows_read(query) <= 5 * ORGANIZATIONS * TYPES


def test_the_first_of_a_line_are_read_in_their_order(crowd):
    query = waiting.line_query("default", "Test Line 7", crowd, 9)
    (plan,) = database.explain(query)
    assert "filesort" not in (plan["Extra"] or ""), plan
    assert database.rows_read(query) <= 12


def test_the_first_of_many_lines_are_read_and_no_others(crowd):
    keys = [(f"Test Line {number}", crowd) for number in range(8)]
    query = waiting.lines_query("default", keys, 3)
    steps = [step for step in database.explain(query) if step["table"] == "tabBackground Job"]
    assert len(steps) == 8
    assert not any("filesort" in (step["Extra"] or "") for step in steps), steps
    assert database.rows_read(query) <= 8 * 8
    found = waiting.lines("default", keys, 3)
    assert found == [waiting.line("default", *key, 3) for key in keys]


def test_queues_with_a_line_are_read_from_group_to_group(crowd):
    (plan,) = database.explain(waiting.queues_query())
    assert "Using index for group-by" in plan["Extra"], plan
    assert waiting.queues() == ["default"]


def test_jobs_in_service_are_read_and_no_others(crowd):
    with settings(queue_window=9):
        admission.admit("default")
    assert database.rows_read(waiting.in_service_query()) <= 60
    assert sum(row["number"] for row in waiting.in_service()) == 9


def test_jobs_that_may_be_lifted_are_read_and_no_others(crowd):
    with settings(queue_window=9):
        admission.admit("default")
    query = backlog.queued_in_query(["default", "long"], 500)
    assert database.rows_read(query) <= 30
    assert len(query.run()) == 9


def test_a_pass_asks_a_fixed_number_of_questions(crowd):
    with settings(queue_window=4):
        admission.admit("default")
        frappe.db.sql("UPDATE `tabBackground Job` SET status = 'Completed' WHERE status = 'Queued'")
        frappe.db.commit()
        with database.statements() as seen:
            assert admission.admit("default") == 4
    assert len(seen) <= 12, "none for each place"


def test_jobs_that_are_in_line_cost_the_search_for_due_ones_nothing(crowd):
    for status in waiting.WAITING:
        assert database.rows_read(backlog.due_query(status, clock.now_epoch(), 100)) <= 5
