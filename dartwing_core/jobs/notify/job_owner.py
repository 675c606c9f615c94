"""Tells a job's owner how it ended: a Notification Log, and a toast with a link where the owner is in Desk.

Once for each end, by whatever made it: worker, sweeper, or the end of a parent. After the commit, best effort, and in
moderation: of many jobs of a type that fail within an hour, an owner hears of the first ones only. What the error says
is left to the job, which asks who may see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import frappe
from frappe import _
from frappe.translate import get_user_lang
from frappe.utils import escape_html

from ..access import visibility
from ..base import config, counters, links
from ..db import dispatch, sql
from ..status import JobStatus
from . import events, inbox

NEVER, ALWAYS = "Never", "Always"
PER_HOUR = 10
"""Ends of an owner's jobs of one type, of one kind, that are told one by one."""
HOUR = 3_600
ALIKE = ("owner_user", "organization", "job_type", "status")
_TOLD = frozenset({JobStatus.COMPLETED, JobStatus.DEAD_LETTER})


class Notices:
    """The ends in the current transaction of which owners are to be told."""

    is_for_any_commit = True

    def __init__(self) -> None:
        self.ends: list[dict[str, Any]] = []

    def __call__(self) -> None:
        ends, self.ends = self.ends, []
        alike: dict[tuple, list[Mapping[str, Any]]] = {}
        for end in ends:
            alike.setdefault(tuple(end[key] for key in ALIKE), []).append(end)
        for some in alike.values():
            dispatch.quietly(partial(_tell, some))


def note(job: Mapping[str, Any], to_status: JobStatus) -> None:
    """Tell the owner of this end once the transaction is committed, if the Job Type says so.

    `job` holds name, job_type, organization and owner_user.
    """
    if to_status not in _TOLD or not _is_wanted(job["job_type"], to_status):
        return
    end = {key: job[key] for key in ("name", "job_type", "organization", "owner_user")}
    noted = sql.callback_of_transaction(Notices)
    noted.ends.append(end | {"status": to_status})


def _is_wanted(job_type: str, status: JobStatus) -> bool:
    found = config.job_type(job_type)
    choice = found.notify_on if found else None
    return choice == ALWAYS or (choice != NEVER and status == JobStatus.DEAD_LETTER)


def _tell(ends: Sequence[Mapping[str, Any]]) -> None:
    """Tell of the first of some ends that are alike; ten thousand jobs may end with one parent."""
    owner, organization, job_type, status = (ends[0][key] for key in ALIKE)
    if not visibility.can_see(owner, owner, organization):
        return
    kind = f"told:{owner}:{job_type}:{status}"
    for end in ends[: PER_HOUR + 1]:
        is_too_much = bool(counters.take(kind, 1, PER_HOUR, HOUR))
        if is_too_much and counters.take(f"{kind}:more", 1, 1, HOUR):
            return
        dispatch.quietly(partial(_notify, end, is_too_much))


def _notify(end: Mapping[str, Any], is_too_much: bool) -> None:
    owner = end["owner_user"]
    subject = _subject(end, is_too_much)
    if frappe.db.get_value("Notification Settings", owner, "enabled") != 0:  # None: never saved
        sql.committed(lambda: inbox.leave(owner, subject, **_where(end)))
    events.tell_user(owner, "notification", {})  # lights the bell
    events.tell_user(owner, "msgprint", _toast(end, subject))


def _where(end: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of the notice that say what it leads to: without `link` the document in Desk."""
    owner, job_id = end["owner_user"], end["name"]
    document = {"document_type": config.JOB, "document_name": job_id}
    return document if links.has_desk(owner) else document | {"link": links.to_job(owner, job_id)}


def _toast(end: Mapping[str, Any], subject: str) -> dict[str, Any]:
    address = links.to_job(end["owner_user"], end["name"])
    link = f'<a href="{escape_html(address)}">{subject}</a>'
    return {"message": link, "alert": 1, "indicator": "green" if end["status"] == JobStatus.COMPLETED else "red"}


def _subject(end: Mapping[str, Any], is_too_much: bool) -> str:
    """HTML, as Notification Log and toast show it, in the owner's language."""
    lang = get_user_lang(end["owner_user"])
    name = escape_html(end["job_type"])
    if end["status"] == JobStatus.COMPLETED:
        text = _("Job {0} is done", lang=lang).format(name)
    else:
        text = _("Job {0} has failed", lang=lang).format(name)
    if is_too_much:
        text += ". " + _("More such jobs of this hour are in the list only.", lang=lang)
    return text
