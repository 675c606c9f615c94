"""Lists, counts and Desk's pages go along an index, and read whole rows only of the page they show."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import frappe
import pytest
from frappe.desk import reportview
from pypika import Order

from dartwing_core.jobs import (
    get_execution_time_stats,
    get_job_counts,
    get_job_details,
    get_job_type_overview,
    get_metrics,
    list_jobs,
)
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.lib import config, sql, tables
from dartwing_core.jobs.operations import dead_letters
from dartwing_core.jobs.read import figures, jobs, pages
from tests.support import crowd, database, factory

ROWS, ORGANIZATION, FINGERPRINT = 20_000, crowd.organization(7), "0" * 20
JOB = config.JOB
NEWEST = ("creation", Order.desc)


@pytest.fixture(scope="module", autouse=True)
def _crowd(empty_site: None) -> None:
    crowd.insert(ROWS)


@pytest.fixture
def admin() -> str:
    return factory.user("crowd_admin", ORGANIZATION, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))


def condition(user: str, **filters: str):
    job = frappe.qb.DocType(JOB)
    return pages.narrowed(visibility.viewer(user).visible(job), job, **filters)


def plan(query) -> dict:
    """The step of the plan that finds the jobs."""
    steps = [step for step in database.explain(query) if step["table"] == f"tab{JOB}"]
    assert len(steps) == 1, steps
    return steps[0]


FILTERS = [{}, {"status": "Failed"}, {"status": "Completed", "job_type": "echo_job"}]


@pytest.mark.parametrize("filters", FILTERS)
def test_an_admins_page_and_total_are_found_on_an_index_alone(admin, filters):
    found = condition(admin, **filters)
    for query in (jobs.page_query(found, NEWEST, 20, 0), partial(sql.count, tables.JOB, found, pages.MAX_TOTAL)):
        step = plan(query)
        assert step["key"].startswith("organization"), step
        assert "Using index" in step["Extra"].replace("Using index condition", ""), step
        assert int(step["rows"]) <= ROWS / 10, step


@pytest.mark.parametrize("filters", FILTERS)
def test_a_member_reads_only_own_jobs(filters):
    found = condition(factory.user("crowd_7_3", ORGANIZATION), **filters)
    for query in (jobs.page_query(found, NEWEST, 20, 0), partial(sql.count, tables.JOB, found, pages.MAX_TOTAL)):
        step = plan(query)
        assert step["key"], step
        assert int(step["rows"]) <= ROWS / 50, step


@pytest.mark.parametrize("filters", [[], [[JOB, "status", "=", "Failed"]], [[JOB, "organization", "=", ORGANIZATION]]])
def test_desks_list_reads_no_whole_table(admin, filters):
    frappe.set_user(admin)
    fields, order = ["name", "status", "job_type", "progress"], f"`tab{JOB}`.`creation` desc"
    arguments = {"doctype": JOB, "fields": fields, "filters": filters, "order_by": order, "page_length": 20}
    frappe.local.form_dict = frappe._dict(arguments)
    values: list = []
    found = database.plans(lambda: values.extend(reportview.get()["values"]), JOB)
    assert values
    assert found
    step = found[0][1]
    assert step["type"] != "ALL", step
    assert step["key"] == "creation" or int(step["rows"]) <= ROWS / 10, step


def test_the_total_is_counted_up_to_a_bound(admin, monkeypatch):
    frappe.set_user(admin)
    assert list_jobs()["total"] == ROWS // crowd.ORGANIZATIONS
    monkeypatch.setattr(pages, "MAX_TOTAL", 100)
    page = list_jobs(offset=300, limit=2)
    assert (page["total"], len(page["jobs"])) == (100, 2)


def job_of(organization: str) -> str:
    return frappe.get_all(JOB, filters={"organization": organization}, limit=1, pluck="name")[0]


CALLS: dict[str, Callable[[], object]] = {
    "counts": get_job_counts,
    "counts of an organization": lambda: get_job_counts(ORGANIZATION),
    "details": lambda: get_job_details(job_of(ORGANIZATION)),
    "type": lambda: get_job_type_overview("echo_job"),
    "dead letters by error": dead_letters.dead_letters_by_error,
    "retry of an error": lambda: dead_letters.bulk_retry_dead_letter(fingerprints=[FINGERPRINT]),
    "performance": figures.type_performance,
    "metrics": get_metrics,
    "failed by type": figures.failures,
}
OF_A_DAY: dict[str, Callable[[], object]] = {
    "times": get_execution_time_stats,
    "completed by hour": figures.throughput,
}


@pytest.mark.parametrize("name", CALLS | OF_A_DAY)
def test_an_admin_reads_a_share_of_the_table(name, admin):
    frappe.set_user(admin)
    reads_a_share(CALLS.get(name) or OF_A_DAY[name])


@pytest.mark.parametrize("name", OF_A_DAY)
def test_figures_of_a_days_ends_read_those_alone(name):
    # Seen failing without the index of `completed_at`: they read the whole table.
    frappe.set_user("Administrator")
    reads_a_share(OF_A_DAY[name])


def reads_a_share(call: Callable[[], object]) -> None:
    found = database.plans(call, JOB)
    assert found
    for query, step in found:
        assert step["type"] != "ALL", (query, step)
        assert step["key"], (query, step)
        assert int(step["rows"]) <= ROWS / 10, (query, step)
