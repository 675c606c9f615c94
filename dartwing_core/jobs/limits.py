"""How many jobs may run and wait at once: by organization, by Job Type, and by both.

Slots are counted from the rows each time, so none can leak. Admission counts what is queued or running and is content
with an estimate; the claim counts what is running, one claim after another, and is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import frappe
from frappe.query_builder.functions import Count

from . import config, tenancy
from .status import JobStatus


class Slots:
    """The jobs in service, and whether one more of an organization and type fits beside them."""

    def __init__(self, in_service: Iterable[Mapping[str, Any]], limits: Mapping[str, tenancy.Limits]):
        self._limits = limits
        self._used: Counter[tuple] = Counter()
        for row in in_service:
            self.take(row["organization"], row["job_type"], row["number"])

    def take(self, organization: str, job_type: str, number: int = 1) -> None:
        for key in ((organization, None), (None, job_type), (organization, job_type)):
            self._used[key] += number

    def fits(self, organization: str, job_type: str) -> bool:
        """Whether one more may be queued."""
        caps = caps_of(self._limits[organization], config.job_type(job_type), organization, job_type)
        return all(self._used[key] < cap for key, cap in caps.items())


def caps_of(limits: tenancy.Limits, job_type_doc: Any, organization: str, job_type: str) -> dict[tuple, int]:
    """The limits in force for a job: by (organization, type), None standing for all."""
    caps = {
        (organization, None): limits.max_running,
        (None, job_type): job_type_doc.max_concurrent if job_type_doc else 0,
        (organization, job_type): job_type_doc.max_concurrent_per_organization if job_type_doc else 0,
    }
    return {key: cap for key, cap in caps.items() if cap}


def running(key: tuple) -> int:
    """Jobs of an organization, of a type, or of both, that are running as of this transaction's snapshot."""
    organization, job_type = key
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(Count("*")).where(job.status == str(JobStatus.RUNNING))
    if organization:
        query = query.where(job.organization == organization)
    if job_type:
        query = query.where(job.job_type == job_type)
    return query.run()[0][0]


def waiting(organization: str, at_most: int) -> int:
    """Unfinished jobs of an organization that are not running; counted up to `at_most`."""
    job = frappe.qb.DocType(config.JOB)
    states = [str(status) for status in (JobStatus.PENDING, JobStatus.QUEUED, JobStatus.FAILED, JobStatus.TIMED_OUT)]
    rows = frappe.qb.from_(job).select(job.name).limit(at_most)
    rows = rows.where((job.organization == organization) & job.status.isin(states))
    return frappe.qb.from_(rows.as_("rows")).select(Count("*")).run()[0][0]
