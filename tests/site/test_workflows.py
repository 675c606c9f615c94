"""A batch through REST and genuine workers."""

from __future__ import annotations

from typing import Any

from dartwing_core.jobs import chain, group, job
from tests.support import factory
from tests.support.waiting import until


def test_a_batch_goes_from_rest_through_workers_to_its_callback(client, workers):
    gives, gather, told = (factory.job_type(name, name) for name in ("gives", "gather", "told"))
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
