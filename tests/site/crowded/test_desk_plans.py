"""What Desk's pages ask goes along indexes, and reads a share of the table that belongs to who asks."""

from __future__ import annotations

from collections.abc import Callable

import frappe
import pytest

from dartwing_core.jobs import get_job_counts, get_job_details, get_job_type_overview, retry_dead_letters
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.operations import dead_letters
from dartwing_core.jobs.read import figures
from tests.support import database

from .conftest import ORGANIZATION, ROWS

FINGERPRINT = "0" * 20


def job_of(organization: str) -> str:
    return frappe.get_all(config.JOB, filters={"organization": organization}, limit=1, pluck="name")[0]


CALLS: dict[str, Callable[[], object]] = {
    "counts": get_job_counts,
    "counts of an organization": lambda: get_job_counts(ORGANIZATION),
    "details": lambda: get_job_details(job_of(ORGANIZATION)),
    "type": lambda: get_job_type_overview("echo_job"),
    "dead letters by error": dead_letters.dead_letters_by_error,
    "retry of an error": lambda: retry_dead_letters([FINGERPRINT]),
    "performance": figures.type_performance,
}


@pytest.mark.parametrize("name", CALLS)
def test_an_admin_reads_a_share_of_the_table(name, admin):
    frappe.set_user(admin)
    found = database.plans(CALLS[name], config.JOB)
    assert found
    for query, step in found:
        assert step["type"] != "ALL", (query, step)
        assert step["key"], (query, step)
        assert int(step["rows"]) <= ROWS / 10, (query, step)


@pytest.mark.parametrize("name", CALLS)
def test_who_sees_everything_reads_along_an_index(name):
    found = database.plans(CALLS[name], config.JOB)
    assert found
    for query, step in found:
        assert step["type"] != "ALL", (query, step)
        assert step["key"], (query, step)
