"""Tells the site's administrators when jobs pile up or get stuck: once, until it is over and happens again.

Job Engine Settings have the thresholds. An alert and the note that it was sent are one commit. So it comes once, also
if the scheduler breaks off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from urllib.parse import urlencode

import frappe
from frappe import _
from frappe.utils import escape_html, get_url_to_form, get_url_to_list
from frappe.utils.user import get_users_with_role
from pypika.terms import Criterion

from ..job import events, notices
from ..lib import clock, config, sql
from ..lib.tables import JOB
from ..line import queue_view
from ..read import waiting_reason
from ..status import JobStatus, LinePlace

RAISED = "raised_alerts"
IS_OVER = 0.8
"""An alert is over, and may be raised again, once the number has fallen below this share of its threshold."""
MOST_STUCK = 20


def check_alerts() -> list[str]:
    """Check the thresholds: the scheduler's entry of every five minutes. Returns the keys of sent alerts. Commits."""
    if config.settings().mutes_alerts:
        return []
    users = get_users_with_role("System Manager") or [config.ENGINE]
    new = sql.committed(partial(_check, users))
    for user in users if new else ():
        events.publish_to_user(user, "notification", {})  # lights the bell
    return new


def _check(users: Sequence[str]) -> list[str]:
    raised = set((frappe.db.get_single_value(config.SETTINGS, RAISED, cache=False) or "").splitlines())
    alarming = {key: (text, link) for key, text, link in _alarming(raised)}
    new = [key for key in alarming if key not in raised]
    for user in users:
        for text, link in (alarming[key] for key in new):
            notices.add_notice(user, text, document_type=config.JOB, link=link)
    if alarming.keys() != raised:
        frappe.db.set_single_value(config.SETTINGS, RAISED, "\n".join(sorted(alarming)), update_modified=False)
    return new


def _alarming(raised: set[str]) -> Iterator[tuple[str, str, str]]:
    """Key, text (HTML) and link of everything that is alarming now. `raised`: the keys of earlier alerts."""
    settings = config.settings()
    if stop := waiting_reason.find_stop_of_site():
        yield "stop", escape_html(stop.words), get_url_to_form(config.SETTINGS, config.SETTINGS)
        return
    limit = settings.alert_dead_letters
    if _exceeds(JOB.status == str(JobStatus.DEAD_LETTER), limit, "dead letters" in raised):
        text = _("More than {0} jobs have failed. Retry or delete them.").format(limit)
        yield "dead letters", text, _list(status=str(JobStatus.DEAD_LETTER))
    limit = settings.alert_jobs_in_line
    for queue in queue_view.queues():
        is_in_line = (JOB.in_line == LinePlace.IN_LINE) & (JOB.queue == queue)
        if _exceeds(is_in_line, limit, f"queue {queue}" in raised):
            text = _("More than {0} jobs are queued in {1}. Start more workers, or check what holds them up.")
            link = _list(status=str(JobStatus.QUEUED), queue=queue)
            yield f"queue {queue}", text.format(limit, escape_html(queue)), link
    is_stuck = (JOB.status == str(JobStatus.RUNNING)) & (JOB.started_epoch > 0)
    is_stuck &= JOB.started_epoch + JOB.timeout_seconds * settings.alert_overtime < clock.now_epoch()
    for name in frappe.qb.from_(JOB).select(JOB.name).where(is_stuck).limit(MOST_STUCK).run(pluck=True):
        text = _("Job {0} has been running for more than {1} times its time limit. Cancel it, or stop its worker.")
        yield f"job {name}", text.format(escape_html(name), settings.alert_overtime), get_url_to_form(config.JOB, name)


def _exceeds(condition: Criterion, limit: int, was_raised: bool) -> bool:
    """Whether more jobs meet the condition than the limit, which is lower for an alert that was raised."""
    return sql.count(JOB, condition, limit + 1) > (limit * IS_OVER if was_raised else limit)


def _list(**filters: str) -> str:
    return f"{get_url_to_list(config.JOB)}?{urlencode(filters)}"
