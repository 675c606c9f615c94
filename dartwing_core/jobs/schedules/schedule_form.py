"""Checks and fills in a Job Schedule when it is saved."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.utils import cint, get_system_timezone

from ..access import content, visibility
from ..errors import InvalidJobError, UnknownHandlerError
from ..lib import canonical, clock, sealing, secret_values
from ..submit import submission
from ..submit.request import Prepared, Request
from ..types import handlers
from . import recurrence, schedule_store
from .recurrence import Recurrence
from .schedule_store import ScheduleRow

if TYPE_CHECKING:
    from frappe.model.document import Document

DEFAULT_CATCH_UP, MOST_CATCH_UP = 5, 100


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
        _set_owner(schedule)
        _check_new_owner(schedule)
        columns = schedule.as_dict()
        columns["anchor_epoch"] = now
        found = recurrence_of(columns, now)
        if schedule.enabled:
            check_work(schedule.as_dict())
        _set_next(schedule, found, now)
    except (InvalidJobError, frappe.PermissionError) as error:
        failure = error
    if failure:  # out here, without the variables of what has refused it
        schedule.parameters = given.get_secret_value()  # the caller may mend the rest, and save it again
        frappe.throw(html.escape(str(failure), quote=False), type(failure))  # Desk shows HTML, others a text


def recurrence_of(schedule: ScheduleRow, now: float) -> Recurrence:
    """The recurrence of a schedule with these columns. Raises InvalidJobError if they make no sense."""
    return recurrence.parse(
        schedule["frequency"],
        schedule["cron"],
        schedule["every"],
        schedule["every_unit"],
        schedule["time_zone"] or get_system_timezone(),
        schedule["anchor_epoch"] or 0,
        now,
    )


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


def parameters_of(schedule: ScheduleRow) -> Any:
    """The parameters as a dict. Raises InvalidJobError if they are none, SealError if they can't be opened."""
    text = content.opened_schedule(schedule["name"], schedule["parameters"])
    if not isinstance(text, str):
        return text
    try:
        found = json.loads(text) if text.strip() else None
    except (ValueError, RecursionError):
        raise InvalidJobError(_("{0} is not valid JSON.").format(_("Parameters"))) from None
    if found is not None and not isinstance(found, dict):
        raise InvalidJobError(_("{0} must be an object.").format(_("Parameters")))
    return found


def _fill_in(schedule: Document) -> None:
    schedule.cron = " ".join(str(schedule.cron or "").split())
    schedule.enabled = cint(schedule.enabled)  # forms may send text
    schedule.time_zone = (schedule.time_zone or "").strip() or get_system_timezone()
    if not isinstance(schedule.parameters, str | None):  # from Python, or a JSON body
        schedule.parameters = canonical.storage_json(schedule.parameters, _("Parameters"))
    before = schedule.get_doc_before_save()
    if not before or before.parameters != schedule.parameters:
        handlers.check_size(len(schedule.parameters or ""))
    if not before or not sealing.is_sealed(before.parameters) or before.parameters != schedule.parameters:
        _seal(schedule, parameters_of(schedule.as_dict()) or {})  # else nobody can read them: see `JobSchedule`
    schedule.catch_up_limit = cint(schedule.catch_up_limit) or DEFAULT_CATCH_UP
    if not 1 <= schedule.catch_up_limit <= MOST_CATCH_UP:
        raise InvalidJobError(_("Catch Up at Most must be between {0} and {1}.").format(1, MOST_CATCH_UP))


def _seal(schedule: Document, parameters: Mapping[str, Any]) -> None:
    """Encrypt the secrets among the parameters. Those of the saved schedule stay if no parameter changes.

    Raises UnknownHandlerError if the handler can't tell which of changed parameters are secret, and InvalidJobError
    for parameters that don't fit: a secret might stand under another name.
    """
    before = schedule.get_doc_before_save()
    had = _saved_parameters(before) if before and before.job_type == schedule.job_type else {}
    if before:
        _seal_saved(before)
    secrets: frozenset[str] = frozenset()
    try:
        declared = handlers.declared_of_type(schedule.job_type) if parameters or had else None
        secrets = declared.secrets if declared else secrets
    except UnknownHandlerError:
        if not had or not secret_values.are_same(parameters, had, ()):
            raise
    if had and secret_values.are_same(parameters, had, secrets):
        schedule.parameters = before.parameters  # the same in other words
        return
    secret_values.check_dots(parameters, had)
    if secrets:
        found = handlers.check_parameters(parameters, declared, schedule.owner_user or "")
        schedule.parameters = frappe.as_json(json.loads(found.text))
    else:
        secret_values.veiled(parameters, ())  # refuses encrypted values


def _seal_saved(before: Document) -> None:
    """Encrypt secrets that were saved before the type declared them: the row's Version must not tell them."""
    had = _saved_parameters(before)
    try:
        secrets = handlers.secrets_of(before.job_type) if had else ()
    except UnknownHandlerError:
        return
    if any(isinstance(had.get(name), str) for name in secrets):
        before.parameters = frappe.as_json(secret_values.sealed(secret_values.opened(had, secrets), secrets))


def _saved_parameters(before: Document) -> dict[str, Any]:
    """The parameters of the saved row. Empty if it holds no JSON, which a save may mend."""
    try:
        return parameters_of(before.as_dict()) or {}
    except InvalidJobError:
        return {}


def _check_new_owner(schedule: Document) -> None:
    """Refuse another owner for secrets that only the owner before has given. An owner may send them elsewhere."""
    before = schedule.get_doc_before_save()
    if not before or before.owner_user == schedule.owner_user:
        return
    had, has = _saved_parameters(before), parameters_of(schedule.as_dict()) or {}
    if has:
        handlers.secrets_of(schedule.job_type)  # it raises UnknownHandlerError: who knows what is secret then?
    for name, value in has.items():
        if secret_values.is_sealed(value) and value == had.get(name):
            text = _("{0}: give the secret itself. With this change the jobs of the schedule run as {1}.")
            raise InvalidJobError(text.format(name, schedule.owner_user))


def _keep_state(schedule: Document) -> None:
    """Keep the engine's columns, whatever the form still shows."""
    is_new = schedule.is_new()
    state = None if is_new else schedule_store.lock_state(schedule.name)
    for column in schedule_store.STATE_COLUMNS:
        schedule.set(column, state.get(column) if state else None)
    content.keep(schedule, state or {})


def _set_owner(schedule: Document) -> None:
    """Set the owner. Jobs run with their owner's permissions, which no other user may borrow.

    The user who makes a schedule, or changes its work, is its owner. A System Manager may name another one.
    """
    user, before = frappe.session.user, schedule.get_doc_before_save()
    was = before.owner_user if before else None
    is_named = schedule.owner_user and schedule.owner_user != was
    if is_named and visibility.sees_everything(user):
        return
    is_same_work = bool(before) and not _differs(schedule, before, schedule_store.WORK_FIELDS)
    schedule.owner_user = was if is_same_work else user


def _set_next(schedule: Document, found: Recurrence, now: float) -> None:
    """Set the next due time, from now on if the timing has changed. Times while it was disabled are not missed."""
    before = schedule.get_doc_before_save()
    if before and not _differs(schedule, before, schedule_store.TIMING_FIELDS):
        return
    schedule.anchor_epoch = float(int(now))
    schedule.update(schedule_store.next_columns(found.next_after(now) if schedule.enabled else None))
    schedule.update({"refusals": 0, content.column("last_error"): None, "last_error_at": None})
    content.keep(schedule, {})


def _differs(schedule: Document, before: Document, fields: Iterable[str]) -> bool:
    return any(str(schedule.get(field) or "") != str(before.get(field) or "") for field in fields)
