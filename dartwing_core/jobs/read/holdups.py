"""What holds up jobs: a pause, an open circuit, a queue without workers, missing code. For one line above jobs."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

import frappe
from frappe import _
from frappe.utils import get_url_to_form, get_url_to_list

from ..access import tenancy, visibility
from ..lib import clock, config
from ..lib.rows import JobRow
from ..lib.tables import JOB
from ..line import queue_view
from ..status import JobStatus, LinePlace
from . import waiting_reason
from .waiting_reason import Stop

MOST = 5
MOST_READ = 200
"""Jobs whose code was not found, of which the errors are read."""


def get_holdups() -> list[dict[str, Any]]:
    """What keeps due jobs that the user may see from starting, such as a pause: at most five of `{reason, link}`.

    `link`: the address in Desk where that is changed. None for users who may not change it.
    """
    looking = visibility.viewer()
    lines = {line.key[:3] for line in queue_view.heads()[LinePlace.IN_LINE]}
    jobs = [_job_of(*line) for line in sorted(lines) if looking.sees_everything or line[1] in looking.reach.members]
    limits_of = tenancy.limits_of(sorted({job["organization"] for job in jobs}))
    stops = zip(waiting_reason.find_stops(jobs, limits_of, clock.now_epoch()), jobs, strict=True)
    of_site = waiting_reason.find_stop_of_site()
    held_up = [(stop, job) for stop, job in stops if stop and stop != of_site]
    if not all(looking.administers(job["organization"]) for _stop, job in held_up):
        query = frappe.qb.from_(JOB).select(JOB.queue, JOB.organization, JOB.job_type).distinct()
        query = query.where((JOB.owner_user == looking.user) & (JOB.in_line == int(LinePlace.IN_LINE)))
        own = [_job_of(*line) for line in query.run()]
        held_up = [(stop, job) for stop, job in held_up if looking.administers(job["organization"]) or job in own]
    found = list(dict(held_up).items())[:MOST]
    names = looking.names_of({job["organization"] for _stop, job in found})
    told = [{"reason": _sentence(stop, job, names), "link": _link(stop)} for stop, job in found]
    others = [of_site] if of_site else []
    if silence := waiting_reason.find_silence():
        others.append(Stop(silence))
    others += map(Stop, missing_code(looking))
    return [*({"reason": stop.words, "link": _link(stop)} for stop in others), *told][:MOST]


def missing_code(looking: visibility.Viewer) -> list[str]:
    """What workers could not import: the first lines of the errors of jobs that the user may see."""
    is_waiting = (JOB.status == str(JobStatus.FAILED)) & (JOB.in_line == int(LinePlace.OUTSIDE))
    is_waiting &= JOB.waits_for.isnull() & (JOB.unfound_since_epoch > 0)  # in this order an index holds all of it
    query = frappe.qb.from_(JOB).select(JOB.error_message).where(looking.can_see_condition() & is_waiting)
    return list(dict.fromkeys(query.limit(MOST_READ).run(pluck=True)))


def _job_of(queue: str, organization: str, job_type: str) -> JobRow:
    """A job in line, by what decides whether it may start."""
    line = {"queue": queue, "organization": organization, "job_type": job_type}
    return cast(JobRow, {**line, "status": str(JobStatus.QUEUED), "in_line": int(LinePlace.IN_LINE)})


def _sentence(stop: Stop, job: JobRow, names: dict[str, str]) -> str:
    """The words, behind the name of the Job Type or the organization that they are about."""
    about = names[job["organization"]] if stop.doctype in (tenancy.ORGANIZATION, config.CIRCUIT) else None
    if stop.doctype == config.JOB_TYPE and (job_type := config.job_type(job["job_type"])):
        about = _(job_type.display_name)
    return f"{about}: {stop.words}" if about else stop.words


def _link(stop: Stop) -> str | None:
    """The path of the document or list. Of an organization only if it is a document of ours."""
    doctype, name = stop.doctype, stop.name
    if not doctype or (doctype == tenancy.ORGANIZATION and not tenancy.is_default()):
        return None
    right = "read" if doctype in (config.CIRCUIT, waiting_reason.WORKERS) else "write"  # which nobody writes by hand
    if not frappe.has_permission(doctype, right, doc=name):
        return None
    return urlsplit(get_url_to_form(doctype, name) if name else get_url_to_list(doctype)).path
