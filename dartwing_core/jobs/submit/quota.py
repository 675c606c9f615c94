"""Limits on submits: an organization's waiting jobs, and a user's jobs of a type within a time.

Only new jobs with a limit are checked. The waiting cap is as exact as the submitter's snapshot: two transactions at
once may exceed it by the jobs of the other one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import frappe
from frappe import _
from frappe.realtime import get_user_room

from ..access import tenancy
from ..errors import InvalidJobError, QueueFullError, RateLimitError
from ..job import columns
from ..lib import best_effort, config, sql
from ..line import limits
from ..rq import redis_queue
from .request import Prepared

HOLD, WARN = "Hold", "Warn"
FULL_RETRY_SECONDS = 10
SECONDS_BETWEEN_WARNINGS = 60
WARNING = "job_limit_warning"


def check(new: Sequence[Prepared], user: str) -> None:
    """Refuse or hold jobs for which there is no place, by the organization's policy.

    Raises QueueFullError, RateLimitError or InvalidJobError.
    """
    numbers = Counter(item.row["organization"] for item in new if item.limits.max_waiting)
    for organization in sorted(numbers):
        _check_waiting([item for item in new if item.row["organization"] == organization])
    for job_type, number in sorted(Counter(item.row["job_type"] for item in new).items()):
        _check_rate(job_type, number, user)  # last, since its counts are not undone


def _check_waiting(jobs: Sequence[Prepared]) -> None:
    """Check the new jobs of one organization, which has a cap."""
    organization, limit = jobs[0].row["organization"], jobs[0].limits
    cap = limit.max_waiting
    room = max(0, cap - limits.count_waiting(organization, cap))
    if len(jobs) <= room:
        return
    if limit.on_queue_full == HOLD:
        for item in jobs[room:]:
            if item.row["in_line"]:  # it would be in line now
                item.write(columns.held())
    elif limit.on_queue_full == WARN:
        sql.after_any_commit(_warn_all, [(organization, cap)])
    else:
        text = _("Queue full: at most {0} jobs of the organization {1} may wait.")
        raise QueueFullError(text.format(cap, tenancy.name_of(organization)), FULL_RETRY_SECONDS)


def _check_rate(name: str, number: int, user: str) -> None:
    job_type = config.job_type(name)
    if not job_type or not job_type.rate_limit:
        return
    limit, window = job_type.rate_limit, job_type.rate_limit_window or 60
    if number > limit:
        raise InvalidJobError(_("At most {0} jobs of type {1} can be submitted at once.").format(limit, name))
    if seconds := redis_queue.count_within(f"type:{name}:{user}", number, limit, window):
        text = _("Too many jobs of type {0}: at most {1} in {2} seconds. Try again in {3} seconds.")
        raise RateLimitError(text.format(name, limit, window, seconds), seconds)


def _warn_all(full: Sequence[tuple[str, int]]) -> None:
    for organization, cap in full:
        best_effort.run(partial(_warn, organization, cap))


def _warn(organization: str, cap: int) -> None:
    """Warn the organization's admins, at most once a minute."""
    if not redis_queue.first_in(f"warned:{organization}", SECONDS_BETWEEN_WARNINGS):
        return
    message = {"organization": organization, "organization_name": tenancy.name_of(organization), "max_waiting": cap}
    for user in tenancy.admins_of(organization):
        frappe.publish_realtime(WARNING, message, room=get_user_room(user))
