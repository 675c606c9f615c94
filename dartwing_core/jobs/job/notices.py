"""Tells a job's owner how it ended: a Notification Log, and a toast with a link if the owner is in Desk.

There is one notice for each end, by worker, sweeper or the end of a parent. It comes after the commit, best effort. Of
many jobs of a type that fail within an hour, an owner hears only of the first ones. The notice leaves the error's text
to the job, which checks who may see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import frappe
from frappe import _
from frappe.translate import get_user_lang
from frappe.utils import escape_html

from ..access import visibility
from ..lib import best_effort, config, links, sql
from ..lib.row_types import OwnedJob
from ..rq import redis_queue
from ..status import JobStatus
from . import events

NEVER, ALWAYS = "Never", "Always"
PER_HOUR = 10
"""Ends of an owner's jobs, of one type and status, that get a notice each."""
HOUR = 3_600
_TOLD = frozenset({JobStatus.COMPLETED, JobStatus.DEAD_LETTER})


class End(NamedTuple):
    """The end of a job. Ends that differ only in their jobs are alike."""

    owner: str
    organization: str
    job_type: str
    status: JobStatus
    job_id: str


class Notices:
    """The ends in the current transaction that need notices to owners."""

    is_for_any_commit = True

    def __init__(self) -> None:
        self.ends: list[End] = []

    def __call__(self) -> None:
        """Write the notices, one for ends that are alike."""
        ends, self.ends = self.ends, []
        alike: dict[tuple[str, ...], list[End]] = {}
        for end in ends:
            alike.setdefault(end[:-1], []).append(end)
        for some in alike.values():
            best_effort.run(partial(_notify_alike, some))


def notify_after_commit(job: OwnedJob, to_status: JobStatus) -> None:
    """Tell the owner of this end once the transaction is committed, if the Job Type says so."""
    if to_status not in _TOLD or not _is_wanted(job["job_type"], to_status):
        return
    end = End(job["owner_user"], job["organization"], job["job_type"], to_status, job["name"])
    sql.callback_of_transaction(Notices).ends.append(end)


def _is_wanted(job_type: str, status: JobStatus) -> bool:
    found = config.job_type(job_type)
    choice = found.notify_on if found else None
    return choice == ALWAYS or (choice != NEVER and status == JobStatus.DEAD_LETTER)


def _notify_alike(ends: Sequence[End]) -> None:
    """Notify of the first of some ends that are alike: ten thousand jobs may end with one parent."""
    owner, organization, job_type, status, _job = ends[0]
    if not visibility.can_see(owner, owner, organization):
        return
    kind = f"told:{owner}:{job_type}:{status}"
    for end in ends[: PER_HOUR + 1]:
        is_too_much = bool(redis_queue.count_within(kind, 1, PER_HOUR, HOUR))
        if is_too_much and redis_queue.count_within(f"{kind}:more", 1, 1, HOUR):
            return
        best_effort.run(partial(_notify, end, is_too_much))


def _notify(end: End, is_too_much: bool) -> None:
    owner = end.owner
    subject = _subject(end, is_too_much, frappe.db.get_value(config.JOB, end.job_id, "job_title"))
    if frappe.db.get_value("Notification Settings", owner, "enabled") != 0:  # None: never saved
        sql.committed(lambda: add_notice(owner, subject, **_where(end)))
    events.publish_to_user(owner, "notification", {})  # lights the bell
    events.publish_to_user(owner, "msgprint", _toast(end, subject))


def _where(end: End) -> dict[str, Any]:
    """The notice's columns for its target. Without `link` that is the document in Desk."""
    owner, job_id = end.owner, end.job_id
    document = {"document_type": config.JOB, "document_name": job_id}
    return document if links.has_desk(owner) else document | {"link": links.to_job(owner, job_id)}


def _toast(end: End, subject: str) -> dict[str, Any]:
    address = links.to_job(end.owner, end.job_id)
    link = f'<a href="{escape_html(address)}">{subject}</a>'
    return {"message": link, "alert": 1, "indicator": "green" if end.status == JobStatus.COMPLETED else "red"}


def _subject(end: End, is_too_much: bool, title: str | None) -> str:
    """The text as HTML for Notification Log and toast, in the owner's language."""
    lang = get_user_lang(end.owner)
    name = escape_html(title or end.job_type)
    if end.status == JobStatus.COMPLETED:
        text = _("Job {0} is done", lang=lang).format(name)
    else:
        text = _("Job {0} has failed", lang=lang).format(name)
    if is_too_much:
        text += ". " + _("Further such jobs of this hour are only in the list.", lang=lang)
    return text


# Inbox ---------------------------------------------------------------------------------------------------------------


LOG = "Notification Log"


def add_notice(user: str, subject: str, **values: Any) -> None:
    """Leave a notice with this subject (HTML) for a user. Does not commit."""
    kind = {"doctype": LOG, "type": "Alert", "for_user": user}
    notice = frappe.get_doc({**kind, "subject": subject, **values})
    notice.flags.notify_update = False  # else Frappe tells all users with an open list of notices
    notice.insert(ignore_permissions=True)
    # Frappe writes and shows the user who is logged in: in a sweep, perhaps one of another organization.
    frappe.db.set_value(LOG, notice.name, {"owner": user, "modified_by": user}, update_modified=False)
