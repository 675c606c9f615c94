"""Batches through REST and genuine workers.

Seen failing: the release with `child_jobs.release_children` left to the sweeper.
"""

from __future__ import annotations

import statistics
from typing import Any

import frappe

from dartwing_core.jobs import chain, group, job, submit_batch
from tests.support import database, factory, http
from tests.support.http import Client
from tests.support.waiting import until

DELAY = (
    "SELECT TIMESTAMPDIFF(MICROSECOND, p.completed_at, c.queued_at) / 1e6 FROM `tabBackground Job` c"
    " JOIN `tabBackground Job` p ON p.name = c.depends_on WHERE c.parent_batch = %s"
)


def test_a_batch_goes_from_rest_through_workers_to_its_callback(web, workers, alice):
    http.forget_limits()
    client = Client(web).with_token(alice)
    gives, gather, told = (factory.job_type(name, name) for name in ("gives", "gather", "told"))
    frappe.db.commit()
    parts = [job(gives, {"value": n}, key=str(n)) for n in range(3)]
    jobs = [chain(group(*parts), job(gather, {"keys": ["1"]}, key="sum"))]
    answer = client.post("submit_batch", organization=factory.ALPHA, jobs=jobs, on_success=job(told), description="x")
    assert answer.status_code == 200, answer.text
    submitted = answer.json()["message"]
    assert (submitted["status"], submitted["size"]) == ("Running", 4)

    def ended() -> dict[str, Any] | None:
        status = client.get("get_batch_status", batch_id=submitted["batch_id"]).json()["message"]
        return status if status["status"] != "Running" else None

    status = until(ended, 60, "the end of the batch")
    assert (status["status"], status["progress"]) == ("Completed", 100)
    assert status["job_count_by_status"] == {"Completed": 4}
    listed = client.get("list_jobs", batch=submitted["batch_id"]).json()["message"]["jobs"]
    (last,) = [row["job_id"] for row in listed if row["job_type"] == gather]
    found = client.get("get_job_status", job_id=last).json()["message"]
    assert found["key"] == "sum"
    assert (len(found["parents"]), found["result"]["by_key"]) == (3, [{"value": 1}])

    def callback() -> dict[str, Any] | None:
        found = client.get("get_job_status", job_id=status["on_success_job"]).json()["message"]
        return found if found["status"] == "Completed" else None

    assert until(callback, 60, "the callback")["result"]["batch_id"] == submitted["batch_id"]


def test_a_child_is_queued_within_a_second_of_its_parent_s_end(workers):
    job_type = factory.job_type("plain")
    frappe.db.commit()
    found = submit_batch(factory.ALPHA, [chain(*(job(job_type, {"n": n}) for n in range(10)))])
    frappe.db.commit()
    until(lambda: len(delays(found.name)) == 9, 60, "the end of the chain")
    assert statistics.median(delays(found.name)) <= 1


def delays(batch: str) -> list[float]:
    return [float(row[0]) for row in database.rows(DELAY, batch) if row[0]]
