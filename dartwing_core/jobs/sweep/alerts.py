"""Tells the site's administrators when jobs pile up or get stuck: once, until it is over and happens again.

Job Engine Settings have the thresholds: of jobs that have failed for good, of jobs in line in a queue, and of a running
job's multiple of its time limit, which a healthy worker does not reach. An alert and the note that it was sent are one
commit. So it comes once, also if the scheduler runs twice or breaks off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import frappe
from frappe import _
from frappe.query_builder.functions import Count
from frappe.translate import get_user_lang
from frappe.utils import escape_html, get_url_to_form, get_url_to_list
from pypika.queries import QueryBuilder
from pypika.terms import Criterion

from ..job import events, inbox
from ..lib import clock, config, named_locks, sql
from ..line import line_queries
from ..status import JobStatus, LinePlace

RAISED = "raised_alerts"
IS_OVER = 0.8
"""An alert is over, and may be raised again, once the number has fallen below this share of its threshold."""
MOST_STUCK = 20


@dataclass(frozen=True, slots=True)
class Level:
    """A watched number and its threshold `limit`. It is counted only until it is known to exceed that."""

    key: str
    number: int
    limit: int
    text: Callable[[str], str]
    """The alert's text as HTML, in a language."""
    link: str

    def is_alarming(self, was_raised: bool) -> bool:
        """Whether the number exceeds the threshold, which is lower for an alert that was raised."""
        return self.number > (self.limit * IS_OVER if was_raised else self.limit)


def check_alerts() -> list[str]:
    """Check the thresholds: the scheduler's entry of every five minutes. Returns the keys of sent alerts. Commits."""
    if config.settings().mutes_alerts:
        return []
    with named_locks.named_lock("alerts") as is_ours:
        new = sql.committed(_check) if is_ours else []
    for user in _administrators() if new else ():
        events.publish_to_user(user, "notification", {})  # lights the bell
    return [level.key for level in new]


def _check() -> list[Level]:
    saved = frappe.db.get_single_value(config.SETTINGS, RAISED, cache=False)
    raised = set((saved or "").splitlines())
    alarming = {level.key: level for level in _levels() if level.is_alarming(level.key in raised)}
    new = [level for key, level in alarming.items() if key not in raised]
    if alarming.keys() != raised:
        for user in _administrators():
            for level in new:
                _log(user, level)
        frappe.db.set_single_value(config.SETTINGS, RAISED, "\n".join(sorted(alarming)), update_modified=False)
    return new


def _levels() -> Iterator[Level]:
    settings = config.settings()
    yield _dead_letters(settings.alert_dead_letters)
    for queue in line_queries.queues():
        yield _in_line(queue, settings.alert_jobs_in_line)
    for row in stuck_query(settings.alert_overtime).run(as_dict=True):
        yield _stuck(row["name"], settings.alert_overtime)


def _dead_letters(limit: int) -> Level:
    job = frappe.qb.DocType(config.JOB)
    number = count_query(job.status == str(JobStatus.DEAD_LETTER), limit).run()[0][0]

    def text(lang: str) -> str:
        words = _("More than {0} jobs have failed for good. Retry or delete them.", lang=lang)
        return words.format(limit)

    return Level("dead letters", number, limit, text, _list(status=str(JobStatus.DEAD_LETTER)))


def _in_line(queue: str, limit: int) -> Level:
    job = frappe.qb.DocType(config.JOB)
    number = count_query((job.in_line == LinePlace.IN_LINE) & (job.queue == queue), limit).run()[0][0]

    def text(lang: str) -> str:
        words = _("More than {0} jobs wait in the queue {1}. Start workers for it, or see what stops it.", lang=lang)
        return words.format(limit, escape_html(queue))

    return Level(f"queue {queue}", number, limit, text, _list(status=str(JobStatus.QUEUED), queue=queue))


def _stuck(job: str, times: int) -> Level:
    def text(lang: str) -> str:
        words = _("Job {0} has taken more than {1} times its time limit. Cancel it, or end its worker.", lang=lang)
        return words.format(escape_html(job), times)

    return Level(f"job {job}", 1, 0, text, get_url_to_form(config.JOB, job))


def count_query(condition: Criterion, limit: int) -> QueryBuilder:
    """How many jobs meet the condition, counted up to `limit` + 1."""
    job = frappe.qb.DocType(config.JOB)
    some = frappe.qb.from_(job).select(job.name).where(condition).limit(limit + 1).as_("some")
    return frappe.qb.from_(some).select(Count("*"))


def stuck_query(times: int) -> QueryBuilder:
    """The query for jobs that run longer than so many times their time limit."""
    job = frappe.qb.DocType(config.JOB)
    condition = (job.status == str(JobStatus.RUNNING)) & (job.started_epoch > 0)
    condition &= job.started_epoch + job.timeout_seconds * times < clock.now_epoch()
    return frappe.qb.from_(job).select(job.name).where(condition).limit(MOST_STUCK)


def _administrators() -> list[str]:
    """The enabled System Managers. Frappe's own list also names rows of the role that belong to other documents."""
    role, user = frappe.qb.DocType("Has Role"), frappe.qb.DocType("User")
    query = frappe.qb.from_(user).join(role).on((role.parent == user.name) & (role.parenttype == "User"))
    is_one = (role.role == "System Manager") & (user.enabled == 1) & (user.name != config.ENGINE)
    return query.where(is_one).select(user.name).distinct().run(pluck=True) or [config.ENGINE]


def _log(user: str, level: Level) -> None:
    inbox.add_notice(user, level.text(get_user_lang(user)), document_type=config.JOB, link=level.link)


def _list(**filters: str) -> str:
    return f"{get_url_to_list(config.JOB)}?{urlencode(filters)}"
