"""What a worker asks when it looks who is next reads as many rows as there are lines, however many jobs wait.

Seen failing: without the index on in_line, queue, organization, job_type, priority, admission_rank; with `in_line = 1`
and one queue in `queue_view.heads` instead of a range over all: MariaDB then reads all entries, 100 ms with
100,000.
"""

from __future__ import annotations

from functools import partial

import frappe
import pytest

from dartwing_core.jobs.lib import config
from dartwing_core.jobs.line import limits, queue_view
from dartwing_core.jobs.line.turns import Line
from dartwing_core.jobs.status import LinePlace
from tests.support import database, factory, population

ORGANIZATIONS, TYPES, JOBS = 100, 2, 10_000


@pytest.fixture(scope="module")
def crowd(empty_site: None) -> str:
    name = factory.job_type("plain")
    factory.job_type("plain_other")
    population.line_up(name, JOBS, ORGANIZATIONS, TYPES)
    return name


def set_running(job_type: str, number: int) -> None:
    frappe.db.sql(
        "UPDATE `tabBackground Job` SET status = 'Running', in_line = 0, attempt = 1 WHERE job_type = %s LIMIT %s",
        (job_type, number),
    )
    frappe.db.commit()


def test_the_heads_of_lines_are_read_from_group_to_group(crowd):
    (plan,) = database.explain(queue_view.heads)
    assert "Using index for group-by" in plan["Extra"], plan
    assert [len(lines) for lines in queue_view.heads().values()] == [ORGANIZATIONS * TYPES, 0]
    assert database.rows_read(queue_view.heads) <= 5 * ORGANIZATIONS * TYPES


def test_the_first_of_a_line_are_read_in_their_order_and_no_others(crowd):
    line = Line("default", "Test Line 7", crowd, "Normal", 0.0)
    for read in (lambda: queue_view.first_jobs(line, 9), lambda: queue_view.read_places(line, 9)):
        (plan,) = database.explain(read)
        assert "filesort" not in (plan["Extra"] or ""), plan
        assert database.rows_read(read) <= 12
    assert "Using index" in plan["Extra"], plan
    places = queue_view.read_places(line, 9)
    assert [place.rank for place in places] == sorted(place.rank for place in places)
    assert [place.name for place in places] == [job["name"] for job in queue_view.first_jobs(line, 9)]
    assert len(places) == 9


def test_what_runs_is_counted_from_the_running_ones_alone(crowd):
    set_running(crowd, 9)
    assert database.rows_read(limits.count_running) <= 60
    assert limits.count_running()[None, crowd] == 9


def test_free_places_are_counted_on_the_lines_index_up_to_the_cap(crowd):
    # Seen failing: without the queues, which stand in front of the organization: all of its jobs were read.
    cap = 50
    count = partial(limits.count_free_places, "Test Line 7", cap, LinePlace.IN_LINE, LinePlace.HELD)
    plan = next(step for step in database.explain(count) if step["table"] == f"tab{config.JOB}")
    assert (plan["key"], "Using index" in plan["Extra"]) == ("line_index", True), plan
    assert database.rows_read(count) <= 2 * cap + 20
    assert count() == 0
