"""Makes the jobs of due schedules: exactly one for each due time, however many sweepers there are (see README)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import frappe
from frappe import _
from frappe.translate import get_user_lang
from frappe.utils import escape_html

from ..access import standing, tenancy, visibility
from ..errors import JobBusyError, RateLimitError
from ..job import events, notices, record
from ..lib import clock, config, server_errors, sql
from ..lib.rows import Columns, make_run_of_schedule
from ..lib.sealing import SealError
from ..lib.texts import error_text
from ..submit import submission
from ..submit.request import Prepared
from . import recurrence, schedule_store
from .schedule_store import ScheduleRow

ON_TIME = 300
"""Seconds after its due time in which a run is not missed: the scheduler of Frappe 16 ticks every 240."""
LOOK_AGAIN = 60
"""Seconds until a schedule that can't run now (suspended, queue full, an unexpected error) is checked again."""
ERROR_LENGTH = 500
SKIP, CATCH_UP = "Skip", "Catch Up"
NOT_NOW = (RateLimitError, JobBusyError, SealError)
REFUSED = (frappe.PermissionError, frappe.ValidationError)


@dataclass(slots=True)
class Result:
    """The result of a schedule's due times."""

    values: Columns = field(default_factory=dict)
    made: int = 0
    refused: ScheduleRow | None = None
    """The schedule, if its people are to hear of a first refusal."""


def sweep(limit: int) -> int:
    """Make the jobs that are due by now. Returns how many. Commits. Issues one statement if there are none.

    Reads at most `limit` schedules, and ends with the one whose jobs reach `limit`.
    """
    made = 0
    for name in schedule_store.due(clock.now_epoch(), limit):
        if made >= limit:
            break
        number = sql.best_effort(partial(_run, name))
        if number is None:  # it must not stay the longest due, in front of all others
            later = {"look_at_epoch": clock.now_epoch() + LOOK_AGAIN}
            sql.best_effort(partial(sql.committed, partial(schedule_store.update, name, later)))
        made += number or 0
    return made


def _run(name: str) -> int:
    sql.commit()  # the snapshot has to be younger than the lock
    result = sql.committed(partial(_settle, name))
    if result.refused:
        sql.best_effort(partial(_notify_refused, result.refused))
    return result.made


def _settle(name: str) -> Result:
    now, result = clock.now_epoch(), Result()
    schedule = schedule_store.lock_due(name, now)
    if not schedule:
        return result
    state = tenancy.limits_of([schedule["organization"]])[schedule["organization"]].state
    if state in standing.STOPPED_STATES:
        result.values = {"look_at_epoch": now + LOOK_AGAIN}
    elif state is None:
        _refuse(result, schedule, _("Organization not found"))
        result.values["enabled"] = 0
    else:
        _make_due(result, schedule, now)
    schedule_store.update(name, result.values)
    return result


def _make_due(result: Result, schedule: ScheduleRow, now: float) -> None:
    found = recurrence.parse(schedule, now)
    result.values = schedule_store.next_columns(found.next_after(now))
    number = schedule["catch_up_limit"] if schedule["missed_runs"] == CATCH_UP else 1
    passed = found.last(max(1, number), schedule["next_run_epoch"], now)
    is_missed = schedule["missed_runs"] == SKIP and passed and passed[-1] < now - ON_TIME
    for due in () if is_missed else passed:
        try:
            _make(result, schedule, due)
        except NOT_NOW as error:
            _note_error(result, error_text(error))
            result.values |= schedule_store.next_columns(due) | {"look_at_epoch": now + LOOK_AGAIN}
            return
        except REFUSED as error:
            _refuse(result, schedule, error_text(error))


def _make(result: Result, schedule: ScheduleRow, due: float) -> None:
    item = prepare(schedule, due)
    submission.check_limits([item], schedule["owner_user"])
    try:
        record.insert([item.row])
    except Exception as error:
        if server_errors.database_code(error) != server_errors.DUPLICATE:
            raise
        return  # the schedule was set back: that due time has its job
    result.made += 1
    result.values |= {"last_run": clock.site_time(due), "last_job": item.row["name"]}
    result.values |= {"refusals": 0, "last_error": None, "last_error_at": None}


def prepare(schedule: ScheduleRow, due: float | None = None) -> Prepared:
    """The job of a due time, or of a run by hand (None), checked as if its owner submitted it now.

    It is no duplicate of any other job. Raises the errors of `schedule_store.check_work`.
    """
    item = schedule_store.check_work(schedule)
    run = schedule_store.run_key(schedule["name"], item.row["name"] if due is None else due)
    make_run_of_schedule(item.row, clock.now_epoch() if due is None else due, run)
    return item


def _refuse(result: Result, schedule: ScheduleRow, reason: str) -> None:
    """Refuse a due time: it gets no job. Only the first refusal in a row gets notices."""
    _note_error(result, reason)
    result.values["refusals"] = (result.values.get("refusals", schedule["refusals"]) or 0) + 1
    if result.values["refusals"] == 1:
        result.refused = schedule


def _note_error(result: Result, reason: str) -> None:
    result.values |= {"last_error": reason[:ERROR_LENGTH], "last_error_at": clock.site_time()}


def _notify_refused(schedule: ScheduleRow) -> None:
    """Notify the owner and each admin who may see the schedule. Commits.

    The notice leaves the reason to the schedule, which checks who may see it.
    """
    for user in sorted({schedule["owner_user"], *tenancy.admins_of(schedule["organization"])}):
        if visibility.can_see(user, schedule["owner_user"], schedule["organization"]):
            subject = _("Schedule {0} could not run", lang=get_user_lang(user))
            subject = subject.format(escape_html(schedule["title"] or schedule["name"]))
            about = {"document_type": config.SCHEDULE, "document_name": schedule["name"]}
            sql.committed(partial(notices.add_notice, user, subject, **about))
            events.publish_to_user(user, "notification", {})  # lights the bell
