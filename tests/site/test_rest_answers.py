"""Each endpoint does its work, and answers what its model declares."""

from __future__ import annotations

from typing import Any

import frappe
import pytest

from dartwing_core.api import jobs
from dartwing_core.api.endpoints import ENDPOINTS
from dartwing_core.jobs import batch, get_batch_status, job
from dartwing_core.jobs.operations.dead_letters import dead_letters_by_error
from tests.support import circuits, factory, files, http, schedules, web_request
from tests.support.http import API, check_message
from tests.support.jobs import run, submitted, submitted_with
from tests.support.rest import ask

pytestmark = pytest.mark.usefixtures("site", "no_sweeps")

WAY_TO_FAIL = {"duration": 0, "fail_type": "permanent"}


def any_job() -> dict[str, Any]:
    return {"job_type": "echo_job", "organization": factory.ALPHA, "parameters": {"n": frappe.generate_hash()}}


def waiting() -> dict[str, str]:
    return {"job_id": submitted_with("echo_job", parameters=any_job()["parameters"], available_at=7200).name}


def completed() -> dict[str, str]:
    made = submitted("echo_job", n=frappe.generate_hash())
    assert run(made)["status"] == "Completed"
    return {"job_id": files.given(made, name="list.txt").name}


def dead() -> dict[str, str]:
    made = submitted("sample_job", **WAY_TO_FAIL, n=frappe.generate_hash())
    assert run(made)["status"] == "Dead Letter"
    return {"job_id": made.name}


def dead_letters() -> dict[str, list[str]]:
    dead()
    return {"fingerprints": [row["fingerprint"] for row in dead_letters_by_error(factory.ALPHA)]}


def running_batch() -> dict[str, str]:
    made = batch(job("echo_job", any_job()["parameters"])).submit(factory.ALPHA)
    frappe.db.commit()
    return {"batch_id": made.name}


def failed_batch() -> dict[str, str]:
    made = batch(job("sample_job", WAY_TO_FAIL)).submit(factory.ALPHA)
    frappe.db.commit()
    run(frappe.get_doc("Background Job", {"parent_batch": made.name}))
    assert get_batch_status(made.name)["status"] == "Failed"
    return {"batch_id": made.name}


def schedule() -> dict[str, str]:
    return {"schedule_id": schedules.made(factory.job_type("scheduled")).name}


def open_circuit() -> dict[str, str]:
    job_type = circuits.breaking_type()
    circuits.opened(job_type)
    return {"job_type": job_type, "organization": factory.ALPHA}


def several() -> dict[str, list[str]]:
    return {"job_ids": [waiting()["job_id"], dead()["job_id"]]}


def of_job_type() -> dict[str, str]:
    return {"job_type": open_circuit()["job_type"]}


def after(*makers: Any) -> Any:
    """No arguments, after these have made something to show."""

    def make() -> dict[str, Any]:
        for maker in makers:
            maker()
        return {}

    return make


CALLS = {
    "submit_job": any_job,
    "submit_jobs": lambda: {"jobs": [any_job(), any_job()]},
    "submit_batch": lambda: {"organization": factory.ALPHA, "jobs": [{"chain": [any_job(), any_job()]}]},
    "run_schedule_now": schedule,
    "cancel_job": waiting,
    "cancel_jobs": several,
    "cancel_batch": running_batch,
    "retry_job": dead,
    "retry_jobs": several,
    "retry_batch": failed_batch,
    "retry_dead_letters": dead_letters,
    "bulk_retry_dead_letter": after(dead),
    "reschedule_job": lambda: {**waiting(), "available_at": 0},
    "run_now": waiting,
    "delete_jobs": several,
    "delete_dead_letter_job": dead,
    "manually_close_circuit": open_circuit,
    "get_job_status": waiting,
    "wait_for_job": completed,
    "get_job_details": completed,
    "get_job_history": completed,
    "get_batch_status": failed_batch,
    "get_schedule": schedule,
    "preview_schedule": lambda: {"cron": "0 7 * * *"},
    "get_job_type_overview": of_job_type,
    "list_jobs": after(waiting, dead),
    "get_dead_letter_jobs": after(dead),
    "list_batches": after(running_batch),
    "list_schedules": after(schedule),
    "list_job_types": lambda: {"organization": factory.ALPHA},
    "get_open_circuits": after(open_circuit),
    "get_job_counts": after(waiting),
    "get_job_metrics": after(completed, dead),
    "get_execution_time_stats": after(completed),
    "get_slowest_jobs": after(completed),
}


@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - {"get_openapi", "download_file"}))
def test_an_answer_is_what_its_model_declares(name):
    # Seen failing: with a field less and one more in a model.
    http.forget_limits()
    answer = ask("Administrator", name, **CALLS[name]())
    check_message(name, frappe.parse_json(frappe.as_json(answer)))


def test_a_call_from_python_has_the_same_answer_and_no_limit():
    sent = any_job()
    made = jobs.submit_job(**sent)
    check_message("submit_job", made)
    with web_request.made("GET", API + "get_job_status", "Administrator"):
        assert jobs.get_job_status(job_id=made["job_id"])["job_id"] == made["job_id"]
