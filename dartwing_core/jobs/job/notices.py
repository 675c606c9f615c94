"""Tells a job's owner how it ended: a Notification Log, and a toast with a link if the owner is in Desk.

It comes after the commit, best effort. Of many jobs of a type that end alike within an hour, an owner hears only of the
first ones. The notice leaves the error's text to the job, which checks who may see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import frappe
from frappe import _
from frappe.translate import get_user_lang
from frappe.utils import escape_html, get_url, get_url_to_form

from ..access import visibility
from ..lib import config, sql
from ..lib.config import JobType
from ..lib.rows import OwnedJob
from ..rq import redis_queue
from ..status import JobStatus
from . import events

JOB_CENTER = "/job-center"
NEVER, ALWAYS = "Never", "Always"
PER_HOUR = 10
"""Ends of an owner's jobs, of one type and status, that get a notice each."""
HOUR = 3_600


class End(NamedTuple):
    """What ends have in common that are alike."""

    owner: str
    organization: str
    job_type: str
    status: JobStatus


def notify_after_commit(job: OwnedJob, to_status: JobStatus, job_type: JobType | None = None) -> None:
    """Tell the owner of this end once the transaction is committed, if the Job Type says so.

    `job_type`: as the claim has read it, if there was one.
    """
    if to_status not in (JobStatus.COMPLETED, JobStatus.DEAD_LETTER):
        return
    job_type = job_type or config.job_type(job["job_type"])
    choice = job_type.notify_on if job_type else None
    if choice == ALWAYS or (choice != NEVER and to_status == JobStatus.DEAD_LETTER):
        end = End(job["owner_user"], job["organization"], job["job_type"], to_status)
        sql.after_any_commit(_notify_all, [(end, job["name"])])


def _notify_all(ends: Sequence[tuple[End, str]]) -> None:
    jobs_of: dict[End, list[str]] = {}
    for end, job in ends:
        jobs_of.setdefault(end, []).append(job)
    for end, jobs in jobs_of.items():
        sql.best_effort(partial(_notify_alike, end, jobs))


def _notify_alike(end: End, jobs: Sequence[str]) -> None:
    """Notify of the first of these jobs: ten thousand may end with one parent."""
    if not visibility.can_see(end.owner, end.owner, end.organization):
        return
    kind = f"told:{end.owner}:{end.job_type}:{end.status}"
    for job in jobs[: PER_HOUR + 1]:
        is_too_much = bool(redis_queue.count_within(kind, 1, PER_HOUR, HOUR))
        if is_too_much and redis_queue.count_within(f"{kind}:more", 1, 1, HOUR):
            return
        sql.best_effort(partial(_notify, end, job, is_too_much))


def _notify(end: End, job: str, is_too_much: bool) -> None:
    owner, lang = end.owner, get_user_lang(end.owner)
    is_done = end.status == JobStatus.COMPLETED
    text = _("Job {0} completed", lang=lang) if is_done else _("Job {0} failed", lang=lang)
    subject = text.format(escape_html(frappe.db.get_value(config.JOB, job, "job_title") or end.job_type))
    if is_too_much:
        subject += ". " + _("Further jobs like this one within the hour appear only in the list.", lang=lang)
    has_desk = frappe.get_cached_value("User", owner, "user_type") == "System User"  # others get 403 there
    address = get_url_to_form(config.JOB, job) if has_desk else f"{get_url(JOB_CENTER)}#{job}"
    if frappe.db.get_value("Notification Settings", owner, "enabled") != 0:  # None: never saved
        target = {"document_type": config.JOB, "document_name": job}  # without a link: the document in Desk
        target |= {} if has_desk else {"link": address}
        sql.committed(lambda: add_notice(owner, subject, **target))
    events.publish_to_user(owner, "notification", {})  # lights the bell
    toast = f'<a href="{escape_html(address)}">{subject}</a>'
    color = "green" if is_done else "red"
    events.publish_to_user(owner, "msgprint", {"message": toast, "alert": 1, "indicator": color})


def add_notice(user: str, subject: str, **values: Any) -> None:
    """Leave a notice with this subject (HTML) for a user. Does not commit."""
    kind = {"doctype": "Notification Log", "type": "Alert", "for_user": user}
    notice = frappe.get_doc({**kind, "subject": subject, **values})
    notice.flags.notify_update = False  # else Frappe tells all users with an open list of notices
    notice.insert(ignore_permissions=True)
    # Frappe writes and shows the user who is logged in: in a sweep, perhaps one of another organization.
    frappe.db.set_value(notice.doctype, notice.name, {"owner": user, "modified_by": user}, update_modified=False)
