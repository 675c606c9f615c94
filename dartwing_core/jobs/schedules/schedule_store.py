"""The rows of Job Schedule: their columns, the SQL on them, and what a save checks and fills in.

The sweep writes its columns of a schedule by SQL and leaves `modified` alone. So a form that is open meanwhile can
still be saved.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import frappe
from frappe import _
from frappe.utils import cint, get_system_timezone

from ..access import content, visibility
from ..errors import InvalidJobError
from ..lib import canonical, clock, config, sealing, secret_values, sql
from ..lib.rows import Columns
from ..lib.sql import update_query
from ..lib.tables import SCHEDULE
from ..rq import due_sites
from ..submit import submission
from ..submit.request import Prepared, Request
from ..types import handlers
from . import recurrence
from .recurrence import Recurrence

if TYPE_CHECKING:
    from frappe.model.document import Document

DEFAULT_CATCH_UP, MOST_CATCH_UP = 5, 100
WORK_FIELDS = ("job_type", "priority", "parameters")
TIMING_FIELDS = ("frequency", "cron", "every", "every_unit", "time_zone", "enabled")
STATE_FIELDS = (
    *("next_run", "last_run", "last_job", "last_error", "last_error_at"),
    *("refusals", "next_run_epoch", "look_at_epoch", "anchor_epoch"),
)
"""The fields that only the engine writes."""
FIELDS = (
    *("name", "title", "organization", "owner_user", *WORK_FIELDS, *TIMING_FIELDS, "missed_runs", "catch_up_limit"),
    *STATE_FIELDS,
)
COLUMNS, STATE_COLUMNS = content.columns(FIELDS), content.columns(STATE_FIELDS)
ScheduleRow: TypeAlias = dict[str, Any]
"""FIELDS of a schedule."""


def due(epoch: float, limit: int) -> list[str]:
    """The names of schedules that are due for a check by now, the longest due first."""
    text = """
        SELECT name FROM `tabJob Schedule` WHERE enabled = 1 AND look_at_epoch <= %s ORDER BY look_at_epoch LIMIT %s"""
    return frappe.db.sql(text, (epoch, limit), pluck=True)


def lock_due(name: str, epoch: float) -> ScheduleRow | None:
    """Lock a due schedule until the commit, and return its columns. None if it is locked or not due any more."""
    query = frappe.qb.from_(SCHEDULE).select(*(SCHEDULE[column] for column in COLUMNS))
    query = query.where((SCHEDULE.name == name) & (SCHEDULE.enabled == 1) & (SCHEDULE.look_at_epoch <= epoch))
    rows: list[ScheduleRow] = sql.run_locking_read(query.for_update(skip_locked=True), as_dict=True)
    return content.shown(rows[0]) if rows else None


def load(name: str) -> ScheduleRow | None:
    """The schedule's fields, opened, but for the parameters: `parameters_of`."""
    row: ScheduleRow | None = frappe.db.get_value(config.SCHEDULE, name, COLUMNS, as_dict=True)
    return content.shown(row) if row else None


def update(name: str, values: Columns) -> None:
    """Write some of STATE_FIELDS, or `enabled`."""
    sql.run_update(update_query(config.SCHEDULE, content.sealed(values)).where(SCHEDULE.name == name), by_name=True)


def next_columns(epoch: float | None) -> Columns:
    """The columns of the next due time, at which the schedule is checked. `epoch`: None if there is none."""
    moment = clock.site_time(epoch) if epoch is not None else None
    return {"next_run": moment, "next_run_epoch": epoch or 0, "look_at_epoch": epoch or 0}


def run_key(name: str, which: float | str) -> str:
    """The unique key of a schedule's job: schedule and due time, or for a run by hand the job's own name."""
    return f"{name}@{which if isinstance(which, str) else int(which)}"


def schedule_of(key: str | None) -> str | None:
    """The schedule for which a job was made."""
    return key.partition("@")[0] if key else None


# Saves ----------------------------------------------------------------------------------------------------------------


def check(schedule: Document) -> None:
    """Refuse a schedule that could not run. Set its owner and its next due time.

    Raises frappe.ValidationError or frappe.PermissionError with the reason.
    """
    given = secret_values.Secret(schedule.parameters)  # an error may be logged with our variables
    failure: Exception | None = None
    try:
        _fill_in(schedule)
        now = clock.now_epoch()
        _keep_state(schedule)
        before = schedule.get_doc_before_save()
        are_lost = before and sealing.is_sealed(before.parameters) and before.parameters == schedule.parameters
        if not are_lost:  # else nobody can read them: see `JobSchedule`
            _seal(schedule)
        _set_owner(schedule)
        found = recurrence.parse({**schedule.as_dict(), "anchor_epoch": now}, now)
        if schedule.enabled:
            check_work(schedule.as_dict())
        _set_next(schedule, found, now)
    except (InvalidJobError, frappe.PermissionError) as error:
        failure = error
    if failure:  # out here, without the variables of what has refused it
        schedule.parameters = given.get_secret_value()  # the caller may mend the rest, and save it again
        frappe.throw(html.escape(str(failure), quote=False), type(failure))  # Desk shows HTML, others a text


def check_work(schedule: ScheduleRow) -> Prepared:
    """A job of this schedule and its owner, with a row to insert.

    Raises InvalidJobError or frappe.PermissionError if its owner could not submit it now.
    """
    owner = schedule["owner_user"]
    if not frappe.db.get_value("User", owner, "enabled"):
        raise frappe.PermissionError(_("The owner of this schedule, {0}, is disabled or deleted.").format(owner))
    parameters = parameters_of(schedule)
    if parameters:
        parameters = secret_values.opened(parameters, handlers.secrets_of(schedule["job_type"]))
    request = Request(schedule["job_type"], schedule["organization"], parameters, schedule["priority"] or None)
    return submission.prepare_all([request], owner)[0]


def parameters_of(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters. Raises InvalidJobError if they are no JSON object, SealError if they can't be opened."""
    text = content.opened_schedule(schedule["name"], schedule["parameters"])
    try:
        found = json.loads((text or "").strip() or "null")
    except (ValueError, RecursionError):
        raise InvalidJobError(_("{0} is not valid JSON.").format(_("Parameters"))) from None
    if not isinstance(found, dict | None):
        raise InvalidJobError(_("{0} must be an object.").format(_("Parameters")))
    return found or {}


def _fill_in(schedule: Document) -> None:
    schedule.cron = " ".join(str(schedule.cron or "").split())
    schedule.enabled = cint(schedule.enabled)  # forms may send text
    schedule.time_zone = (schedule.time_zone or "").strip() or get_system_timezone()
    if not isinstance(schedule.parameters, str | None):  # from Python, or a JSON body
        schedule.parameters = canonical.storage_json(schedule.parameters, _("Parameters"))
    schedule.catch_up_limit = cint(schedule.catch_up_limit) or DEFAULT_CATCH_UP
    if not 1 <= schedule.catch_up_limit <= MOST_CATCH_UP:
        raise InvalidJobError(_("Catch Up at Most must be between {0} and {1}.").format(1, MOST_CATCH_UP))


def _seal(schedule: Document) -> None:
    """Encrypt the secrets among the parameters. The saved ones stay if no parameter changes.

    Raises UnknownHandlerError if the handler can't tell which of changed parameters are secret, and InvalidJobError
    for parameters that don't fit: a secret might stand under another name.
    """
    before, given = schedule.get_doc_before_save(), parameters_of(schedule.as_dict())
    had = _saved_parameters(before) if before and before.job_type == schedule.job_type else {}
    if had and secret_values.are_same(given, had):
        schedule.parameters = before.parameters  # the same in other words
        return
    declared = handlers.declared_of_type(schedule.job_type) if given else None
    if declared and declared.secrets:
        found = handlers.check_parameters(given, declared, "", config.settings())
        schedule.parameters = frappe.as_json(json.loads(found.text))
    else:
        secret_values.veiled(given, ())  # refuses encrypted values


def _saved_parameters(before: Document) -> dict[str, Any]:
    """The parameters of the saved row. Empty if they can't be opened, which a save may mend."""
    try:
        return parameters_of(before.as_dict())
    except InvalidJobError:
        return {}


def _keep_state(schedule: Document) -> None:
    """Keep the engine's columns as committed now, whatever the form still shows. Locks the schedule."""
    query = frappe.qb.from_(SCHEDULE).select(*STATE_COLUMNS).where(SCHEDULE.name == schedule.name).for_update()
    rows = [] if schedule.is_new() else sql.run_locking_read(query, as_dict=True)
    state: Columns = rows[0] if rows else dict.fromkeys(STATE_COLUMNS)
    schedule.update(state)
    content.keep(schedule, state)


def _set_owner(schedule: Document) -> None:
    """Set the owner. Jobs run with their owner's permissions, which no other user may borrow.

    The user who makes a schedule, or changes its work, is its owner. A System Manager may name another one. A new owner
    may send kept secrets elsewhere. So these are refused.
    """
    user, before = frappe.session.user, schedule.get_doc_before_save()
    was = before.owner_user if before else None
    is_named = schedule.owner_user and schedule.owner_user != was
    if not (is_named and visibility.viewer(user).sees_everything):
        is_same_work = bool(before) and not _differs(schedule, before, WORK_FIELDS)
        schedule.owner_user = was if is_same_work else user
    if before and schedule.owner_user != was and schedule.parameters == before.parameters:
        for name, value in _saved_parameters(before).items():
            if secret_values.is_sealed(value):
                text = _("{0}: enter the secret itself. With this change, the jobs of the schedule run as {1}.")
                raise InvalidJobError(text.format(name, schedule.owner_user))


def _set_next(schedule: Document, found: Recurrence, now: float) -> None:
    """Set the next due time, from now on if the timing has changed. Times while it was disabled are not missed."""
    before = schedule.get_doc_before_save()
    if before and not _differs(schedule, before, TIMING_FIELDS):
        return
    schedule.anchor_epoch = float(int(now))
    due = found.next_after(now) if schedule.enabled else None
    schedule.update(next_columns(due))
    if due is not None:
        due_sites.note_after_commit(due)
    schedule.update({"refusals": 0, content.column("last_error"): None, "last_error_at": None})
    content.keep(schedule, {})


def _differs(schedule: Document, before: Document, fields: Iterable[str]) -> bool:
    return any(str(schedule.get(field) or "") != str(before.get(field) or "") for field in fields)
