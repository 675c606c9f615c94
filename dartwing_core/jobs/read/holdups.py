"""What holds up jobs that are due: a pause, an open circuit, a queue without workers. For one line above jobs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import frappe
from frappe import _
from frappe.utils import get_url_to_form, get_url_to_list

from ..access import tenancy, visibility
from ..lib import clock, config
from ..lib.tables import JOB
from ..line import queue_view
from ..status import JobStatus, LinePlace
from . import waiting_reason
from .waiting_reason import DueJob, Stop

MOST = 5


def get_holdups() -> list[dict[str, Any]]:
    """What keeps due jobs that the user may see from starting, such as a pause: at most five of `{reason, link}`.

    `link`: the address in Desk where that is changed. None for users who may not change it.
    """
    looking = visibility.viewer()
    jobs = [job for job in _first_jobs() if looking.sees_everything or job["organization"] in looking.reach.members]
    limits_of = tenancy.limits_of(sorted({job["organization"] for job in jobs}))
    stops = waiting_reason.find_stops(jobs, limits_of, clock.now_epoch())
    held_up = [(stop, job) for stop, job in zip(stops, jobs, strict=True) if stop]
    if not all(looking.administers(job["organization"]) for _stop, job in held_up):
        own = _lines_of(looking.user)
        held_up = [pair for pair in held_up if looking.administers(pair[1]["organization"]) or _line(pair[1]) in own]
    found = list(dict(held_up).items())[:MOST]
    names = looking.names_of({job["organization"] for _stop, job in found})
    return [{"reason": _sentence(stop, job, names), "link": _link(stop)} for stop, job in found]


def _first_jobs() -> list[DueJob]:
    """One job for each queue, organization and type with jobs in line."""
    lines = sorted({line.key[:3] for line in queue_view.heads()[LinePlace.IN_LINE]})
    state: Any = {"status": str(JobStatus.QUEUED), "in_line": int(LinePlace.IN_LINE)}
    return [{"queue": queue, "organization": name, "job_type": kind, **state} for queue, name, kind in lines]


def _line(job: DueJob) -> tuple[str, str, str]:
    return job["queue"], job["organization"], job["job_type"]


def _lines_of(user: str) -> set[tuple[str, str, str]]:
    """The lines that have jobs of this user."""
    query = frappe.qb.from_(JOB).select(JOB.queue, JOB.organization, JOB.job_type).distinct()
    return set(query.where((JOB.owner_user == user) & (JOB.in_line == int(LinePlace.IN_LINE))).run())


def _sentence(stop: Stop, job: DueJob, names: dict[str, str]) -> str:
    """The words, behind the name of the Job Type or the organization that they are about."""
    if stop.doctype == config.JOB_TYPE:
        return f"{_(config.job_type(job['job_type']).display_name)}: {stop.words}"
    is_of_organization = stop.doctype in (tenancy.ORGANIZATION, config.CIRCUIT)
    return f"{names[job['organization']]}: {stop.words}" if is_of_organization else stop.words


def _link(stop: Stop) -> str | None:
    """The path of the document or list. Of an organization only if it is a document of ours."""
    doctype, name = stop.doctype, stop.name
    if not doctype or (doctype == tenancy.ORGANIZATION and not tenancy.is_default()):
        return None
    right = "read" if doctype in (config.CIRCUIT, waiting_reason.WORKERS) else "write"  # which nobody writes by hand
    if not frappe.has_permission(doctype, right, doc=name):
        return None
    return urlsplit(get_url_to_form(doctype, name) if name else get_url_to_list(doctype)).path
