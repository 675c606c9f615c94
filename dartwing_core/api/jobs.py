"""REST endpoints of the job engine: `/api/method/dartwing_core.api.jobs.<name>`.

Thin: arguments in, an operation of `dartwing_core.jobs`, the answer out. `docs/rest_api.md` has examples.
Annotations are not evaluated here (`from __future__`), so that Frappe leaves the parsing of arguments to us.
"""

from __future__ import annotations

import json
from typing import Any

import frappe
from frappe import _

from dartwing_core import jobs as engine
from dartwing_core.jobs.errors import DuplicateJobError, InvalidJobError


@frappe.whitelist(methods=["POST"])
def submit_job(
    job_type: str | None = None,
    organization: str | None = None,
    parameters: dict | str | None = None,
    priority: str | None = None,
    depends_on: str | None = None,
    available_at: str | float | None = None,
    dedup_key: str | None = None,
    on_duplicate: str = "raise",
) -> dict[str, Any]:
    """Submit a job; 400 for bad input, 403 without permission, 409 for a duplicate."""
    try:
        job = engine.submit_job(
            job_type,
            organization,
            _json(parameters, "parameters"),
            priority=priority or None,
            depends_on=depends_on or None,
            available_at=_number_or_text(available_at),
            dedup_key=dedup_key or None,
            on_duplicate=on_duplicate or "raise",
        )
    except DuplicateJobError as error:
        body = {"error": "duplicate", "existing_job_id": error.existing_job_id, "status": error.status}
        frappe.local.response.update(body)
        raise
    return {"job_id": job.name, "status": job.status, "message": _("Job submitted successfully")}


@frappe.whitelist(methods=["POST"])
def submit_jobs(jobs: list | str | None = None) -> dict[str, Any]:
    """Submit several jobs, all or none; `jobs` is a list of objects with the arguments of `submit_job`."""
    requests = _json(jobs, "jobs")
    if not isinstance(requests, list):
        raise InvalidJobError(_("{0} must be a list.").format("jobs"))
    made = engine.submit_jobs(requests)
    return {
        "jobs": [{"job_id": job.name, "status": job.status} for job in made],
        "message": _("Jobs submitted successfully"),
    }


@frappe.whitelist(methods=["POST"])
def cancel_job(job_id: str | None = None, reason: str | None = None) -> dict[str, Any]:
    """Cancel a waiting job, or ask a running one to stop."""
    job = engine.cancel_job(job_id, reason=reason)
    return {"job_id": job.name, "status": job.status, "message": _("Job canceled successfully")}


@frappe.whitelist(methods=["POST"])
def retry_job(job_id: str | None = None, parameters: dict | str | None = None) -> dict[str, Any]:
    """Start a fresh series of attempts of a failed job, with other parameters if there are any."""
    job = engine.retry_job(job_id, parameters=_json(parameters, "parameters"))
    return {"job_id": job.name, "status": job.status, "message": _("Job re-queued for execution")}


@frappe.whitelist(methods=["GET"])
def get_dead_letter_jobs(organization: str | None = None, limit: int = 100) -> dict[str, Any]:
    """Dead Letter jobs that the user may see, newest first."""
    return {"jobs": engine.get_dead_letter_jobs(organization, limit)}


@frappe.whitelist(methods=["POST"])
def bulk_retry_dead_letter(
    organization: str | None = None, job_type: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Retry Dead Letter jobs that the user may see, oldest first."""
    return engine.bulk_retry_dead_letter(organization, job_type, limit)


@frappe.whitelist(methods=["POST"])
def delete_dead_letter_job(job_id: str | None = None) -> dict[str, Any]:
    """Delete a Dead Letter job with its history; System Manager only."""
    engine.delete_dead_letter_job(job_id)
    return {"job_id": job_id, "message": _("Job deleted")}


@frappe.whitelist(methods=["GET"])
def get_job_status(job_id: str | None = None) -> dict[str, Any]:
    """State, progress and outcome of a job; 404 if there is none that the user may see."""
    return engine.get_job_status(job_id)


@frappe.whitelist(methods=["GET"])
def list_jobs(
    organization: str | None = None,
    status: str | None = None,
    job_type: str | None = None,
    limit: int = 20,
    offset: int = 0,
    priority: str | None = None,
    owner_user: str | None = None,
    from_date: str | None = None,
    to_date: str | None = None,
    order_by: str = "creation desc",
) -> dict[str, Any]:
    """Jobs that the user may see, newest first."""
    return engine.list_jobs(
        organization, status, job_type, limit, offset, priority, owner_user, from_date, to_date, order_by
    )


@frappe.whitelist(methods=["GET"])
def get_job_history(job_id: str | None = None) -> dict[str, Any]:
    """Every status change of a job, oldest first."""
    return engine.get_job_history(job_id)


def _json(value: Any, argument: str) -> Any:
    """A value of a JSON body as it is; a form field's JSON text parsed."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except ValueError:
        raise InvalidJobError(_("{0} is not valid JSON.").format(argument)) from None


def _number_or_text(value: Any) -> Any:
    """A delay in seconds comes as text in a form field."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value or None
