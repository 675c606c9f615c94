"""Requests that `http_request` makes in a test."""

from __future__ import annotations

from typing import Any

import frappe
from frappe.model.document import Document

from dartwing_core.handlers.http_request import RequestParameters, http_request
from dartwing_core.jobs import JobContext
from dartwing_core.jobs.lib import config as engine_config
from tests.support import factory
from tests.support.jobs import submitted_by


def allow_private(value: int) -> None:
    """Whether private addresses are allowed, committed."""
    frappe.db.set_single_value(engine_config.SETTINGS, "allow_private_addresses", value)
    frappe.db.commit()
    frappe.clear_document_cache(engine_config.SETTINGS, engine_config.SETTINGS)


def send(url: str, *, attempt: int = 1, timeout_seconds: int = 120, **parameters: Any) -> dict[str, Any]:
    """What the handler returns, called without a job."""
    context = JobContext(
        job_id="JOB-TEST",
        job_type="http_request",
        organization=factory.ALPHA,
        parameters={"url": url, **parameters},
        timeout_seconds=timeout_seconds,
        attempt=attempt,
        owner_user="Administrator",
    )
    return http_request(context, RequestParameters(url, **parameters))


def submitted(url: str, user: str, **parameters: Any) -> Document:
    """A job of this user that makes the request."""
    job_type = factory.job_type("http", "dartwing_core.handlers.http_request.http_request", max_retries=1)
    return submitted_by(user, job_type, url=url, **parameters)
