"""A duplicate takes new parameters only while its twin waits, and holds nobody up."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs import DuplicateJobError, submit_job
from dartwing_core.jobs.lib import named_locks
from tests.support import attempts, contents, database, factory
from tests.support.jobs import messages, set_columns
from tests.support.lifecycle import made
from tests.support.queues import listed

pytestmark = pytest.mark.usefixtures("no_sweep_in_between")


def test_a_pending_twin_may_take_the_new_parameters():
    job_type = made("nothing", deduplication_window=300)
    first = submit_job(job_type, factory.ALPHA, {"v": 1}, dedup_key="k", available_at=3600)
    frappe.db.commit()
    second = submit_job(job_type, factory.ALPHA, {"v": 2}, dedup_key="k", on_duplicate="replace", priority="High")
    assert second.name == first.name
    stored = frappe.get_doc("Background Job", first.name)
    assert (json.loads(stored.input_parameters), stored.priority, stored.queue) == ({"v": 2}, "High", "short")
    assert messages(first)[-1] == "Parameters replaced by a newer request"


def test_a_twin_that_is_in_line_may_take_the_new_parameters_and_the_place_of_its_priority():
    job_type = made("nothing", deduplication_window=300)
    first = submit_job(job_type, factory.ALPHA, {"v": 1}, dedup_key="k", priority="Low")
    other = submit_job(job_type, factory.ALPHA, {"v": 0}, dedup_key="other")
    frappe.db.commit()
    second = submit_job(job_type, factory.ALPHA, {"v": 2}, dedup_key="k", on_duplicate="replace", priority="High")
    frappe.db.commit()
    assert second.name == first.name
    assert listed("short") == [first.name], "workers of its queue are told"
    made_attempt = attempts.begun_next()
    assert (made_attempt.job.name, contents.parameters(first.name)) == (first.name, {"v": 2})
    assert attempts.begun_next().job.name == other.name


@pytest.mark.parametrize("attempt", [0, 1])
def test_a_twin_that_has_begun_is_not_replaced(attempt):
    job_type = made("nothing", deduplication_window=300)
    job = submit_job(job_type, factory.ALPHA, {"v": 1}, dedup_key="k")
    frappe.db.commit()
    if attempt:
        set_columns(job, attempt=1)  # it waits for its retry
    else:
        assert attempts.taken(job.name, 1)
    with pytest.raises(DuplicateJobError):
        submit_job(job_type, factory.ALPHA, {"v": 2}, dedup_key="k", on_duplicate="replace")


def test_after_a_duplicate_others_need_not_wait_for_the_caller():
    job_type = made("nothing", deduplication_window=300)
    submit_job(job_type, factory.ALPHA, {"v": 1})
    frappe.db.commit()
    with pytest.raises(DuplicateJobError):
        submit_job(job_type, factory.ALPHA, {"v": 1})
    key = database.value("SELECT dedup_hash FROM `tabBackground Job` WHERE job_type = %s", job_type)
    name = named_locks.lock_name(key)
    assert database.value("SELECT IS_FREE_LOCK(%s)", name) == 1
