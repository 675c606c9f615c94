"""Checks requests for jobs and turns them into the rows to insert. Checks the limits of submits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import frappe
from frappe import _
from frappe.realtime import get_user_room

from ..access import permission, tenancy, visibility
from ..access.standing import Standing
from ..errors import InvalidJobError, QueueFullError, RateLimitError
from ..job import dependencies, find, labels
from ..lib import canonical, clock, config, sealing, secret_values, sql
from ..lib.config import JobType, Settings
from ..lib.rows import PRIORITIES, QUEUE_OF_PRIORITY, Columns, JobRow, NewJobRow, hold, new_job
from ..lib.texts import cut
from ..line import limits
from ..rq import redis_queue
from ..status import LinePlace
from ..types import declared_types, functions, handlers
from ..types.handlers import Checked
from ..types.parameters import Declared
from .request import KEY_LENGTH, ON_DUPLICATE, Prepared, Request, checked_tags, pair_of, title_for

HOLD, WARN = "Hold", "Warn"
FULL_RETRY_SECONDS = 10
SECONDS_BETWEEN_WARNINGS = 60
WARNING = "job_limit_warning"


@dataclass
class _Checks:
    """What the checks of one submit read once."""

    user: str
    settings: Settings = field(default_factory=config.settings)
    at: datetime = field(default_factory=clock.site_time)
    """The moment of the submit, by the site's clock."""
    standings: dict[str, Standing] = field(default_factory=dict)
    """The user's standing in each organization, by its id or name in a request."""
    types: dict[str, JobType] = field(default_factory=dict)
    declared: dict[tuple[str, str], Declared | None] = field(default_factory=dict)
    """The parameters of each type that the user may submit in an organization."""

    def standing(self, organization: str) -> Standing:
        """The user's standing in an organization. Raises PermissionError."""
        if organization not in self.standings:
            self.standings[organization] = permission.check_member(self.user, organization)
        return self.standings[organization]

    def enabled_type(self, name: Any) -> JobType:
        """The Job Type of this name. Raises InvalidJobError."""
        if not isinstance(name, str) or name not in self.types:
            self.types[name] = enabled_type(name)
        return self.types[name]

    def declared_of(self, job_type: JobType, asked: str) -> Declared | None:
        """The parameters that a type declares, if the user may submit it there. Raises PermissionError otherwise."""
        key = job_type.name, asked
        if key not in self.declared:
            permission.check_submit(self.user, self.standings[asked], job_type)
            self.declared[key] = handlers.declared_of(job_type.handler_method)
        return self.declared[key]


def prepare_all(requests: Sequence[Request], user: str, batch: Columns | None = None) -> list[Prepared]:
    """Check everything, write nothing. Raises the errors that `submit_job` documents.

    The user's permission is checked once for each type and organization. `batch`: the row of the batch of these jobs.
    """
    prepared, checks = list[Prepared](), _Checks(user)
    for number, request in enumerate(requests, 1):
        try:
            prepared.append(_prepare(request, checks))
        except InvalidJobError as error:
            if len(requests) == 1 or type(error) is not InvalidJobError:
                raise
            text = _("Job {0} ({1}): {2}")
            raise InvalidJobError(text.format(number, cut(request.job_type), error)) from error
    if batch:
        for item in prepared:
            if item.row["organization"] != batch["organization"]:
                raise InvalidJobError(_("All jobs of a batch must belong to its organization."))
            item.row["parent_batch"] = batch["name"]
    return prepared


def _prepare(request: Request, checks: _Checks) -> Prepared:
    asked = organization_text(request.organization, checks.settings)
    standing, job_type = checks.standing(asked), checks.enabled_type(request.job_type)  # only members learn of types
    declared = checks.declared_of(job_type, asked)
    if job_type.handler_method == functions.HANDLER and request.queue is None:
        raise InvalidJobError(_("Only enqueue in Python code submits jobs of type {0}.").format(job_type.name))
    _check_choice("on_duplicate", request.on_duplicate, ON_DUPLICATE)
    parameters = handlers.check_parameters(request.parameters, declared, checks.user, checks.settings)
    priority = request.priority or job_type.default_priority or "Normal"
    _check_choice("priority", priority, PRIORITIES)
    _check_choice("on_parent_failure", request.on_parent_failure, dependencies.POLICIES)
    due = clock.epoch_of(request.available_at)
    row = _row(request, job_type, checks, standing.organization, parameters, priority, due)
    is_paused = not standing.limits.may_start or bool(job_type.is_paused)
    return Prepared(request, row, is_paused, standing.limits)


def organization_text(given: Any, settings: Settings) -> str:
    """The organization as given by id or name, or for None and "" the Default Organization. Raises InvalidJobError."""
    if given is not None and given != "":
        return required_text(given, "organization")
    if not settings.default_organization:
        raise InvalidJobError(f"{_('Choose an organization.')} {how_to_name('organization')}")
    return settings.default_organization


def how_to_name(argument: str) -> str:
    """How a call names its organization."""
    text = _("In code: pass {0}, or set the Default Organization in {1}.")
    return text.format(argument, _(config.SETTINGS))


def edited(job: JobRow, parameters: Any) -> tuple[Columns, str, list[str]]:
    """The columns that change when a job is retried with other parameters. None do if they are the same.

    Also returns the parameters that it had, as JSON with dots in place of secrets, and the names of those that change.

    Raises InvalidJobError for invalid ones, and for dots in place of a secret beside a change.
    """
    job_type = config.job_type(job["job_type"])
    if job_type and job_type.handler_method == functions.HANDLER:
        raise InvalidJobError(_("The parameters of jobs of type {0} can't be changed.").format(job_type.name))
    stored = find.load(job["name"], "input_parameters")
    before = (canonical.load(stored["input_parameters"]) if stored else None) or {}
    declared = handlers.declared_of(job_type.handler_method) if job_type else None
    secrets = declared.secrets if declared else frozenset()
    if secret_values.are_same(parameters, before, secrets):
        return {}, "", []
    found = handlers.check_parameters(parameters, declared, job["owner_user"], config.settings())
    had = secret_values.masked(before, secrets)
    content = _stored_hash(job["job_type"], job["organization"], found.identity)
    is_by_content = job["dedup_hash"] == job["job_hash"]  # and not by a key of the caller's own
    values = {
        "sealed_input_parameters": sealing.seal(found.text),
        "job_hash": content,
        "dedup_hash": content if is_by_content else job["dedup_hash"],
    }
    template = job_type.get("job_title") if job_type else None
    if job["job_title"] == title_for(None, template, handlers.with_defaults(had, declared)):
        values["job_title"] = title_for(None, template, found.shown)  # one that the caller gave stays
    after = canonical.load(found.text) or {}  # a secret that is given again counts as changed
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return values, canonical.canonical_json(had), names


def _row(
    request: Request,
    job_type: JobType,
    checks: _Checks,
    organization: str,
    parameters: Checked,
    priority: str,
    due: float,
) -> NewJobRow:
    doctype, name = pair_of(request.reference)
    content = _stored_hash(job_type.name, organization, parameters.identity)
    longest = job_type.default_timeout or config.DEFAULT_TIMEOUT
    return new_job(
        checks.user,
        organization,
        priority,
        due,
        checks.at,
        reference_doctype=doctype,
        reference_name=name,
        job_tags=labels.joined(checked_tags(request.tags)),
        job_type=job_type.name,
        queue=_queue(job_type, priority, request.queue),
        on_parent_failure=request.on_parent_failure,
        job_key=request.key,
        job_title=title_for(request.title, job_type.get("job_title"), parameters.shown),
        sealed_input_parameters=sealing.seal(parameters.text),
        job_hash=content,
        is_result_private=int(job_type.results_visible_to == visibility.OWNER_ONLY),
        timeout_seconds=_within("timeout", request.timeout, 1, longest),
        max_retries=_within("max_retries", request.max_retries, 0, job_type.max_retries or 0),
        **_deduplication(request, job_type, organization, content),
    )


def _deduplication(request: Request, job_type: JobType, organization: str, content: str) -> Columns:
    """By what equal jobs are found and how long, by the caller or else the Job Type. Nothing if they are not.

    A caller who names a key wants to find duplicates, also of a type that does not look for them. Raises
    InvalidJobError for a policy that there is not, and for a key that can't be one.
    """
    asked, key = request.deduplication, request.dedup_key
    policy, window = job_type.deduplication, max(job_type.deduplication_window or 0, 0)
    if asked is not None:
        _check_choice("deduplication", asked, [*config.DEDUPLICATION])
        policy, window = config.DEDUPLICATION[asked], window or config.DEFAULT_WINDOW
    elif policy == config.NEVER and key is not None:
        policy = config.WHILE_UNFINISHED
    if policy == config.NEVER:
        return {}
    if key is not None:
        if len(required_text(key, "dedup_key")) > KEY_LENGTH:
            raise InvalidJobError(_("dedup_key is longer than {0} characters.").format(KEY_LENGTH))
        content = _stored_hash(job_type.name, organization, f"key:{key}")
    if policy != config.WITHIN_WINDOW:
        return {"dedup_hash": content}
    until = clock.now_epoch() + window
    return {"dedup_hash": content, "dedup_until": clock.site_time(until), "dedup_until_epoch": until}


def _check_choice(argument: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidJobError(_("{0} must be one of: {1}.").format(argument, ", ".join(choices)))


def _stored_hash(job_type: str, organization: str, content: str) -> str:
    """The hash of a content as stored: keyed, so that nobody finds parameters by guessing."""
    return sealing.fingerprint(canonical.hash_of(job_type, organization, content))


def enabled_type(name: Any) -> JobType:
    """The Job Type of this name, if it takes jobs. Raises InvalidJobError."""
    job_type = config.job_type(required_text(name, "job_type")) or _newly_declared(name)
    if job_type is None or job_type.name != name:  # MariaDB finds other spellings too, and they would bypass the cache
        text = _("Unknown Job Type: {0}. If code declares it, name its module in the hook {1} and run bench migrate.")
        text = text.format(cut(name), functions.HANDLERS_HOOK)
        if frappe.conf.developer_mode:
            text += " " + _("Without a bench: ./dev run --handlers FILE.")
        raise InvalidJobError(text)
    if not job_type.is_enabled:
        raise InvalidJobError(_("Job Type {0} is disabled and accepts no new jobs.").format(job_type.name))
    return job_type


def _newly_declared(name: str) -> JobType | None:
    """A Job Type that a developer has just written. Elsewhere types are made on install and migrate."""
    if not frappe.conf.developer_mode:
        return None
    report = declared_types.sync_types()
    found = config.job_type(name)
    about = [problem for problem in report.problems if name in problem] + report.unreadable
    if about and not found:
        raise InvalidJobError(about[0])
    return found


def required_text(value: Any, argument: str) -> str:
    """The text, for an argument that must be one. Raises InvalidJobError for anything else, also for an empty text."""
    if value is not None and not isinstance(value, str):
        raise InvalidJobError(_("{0} must be text.").format(argument))
    if not value or not value.strip():
        raise InvalidJobError(_("{0} is missing.").format(argument))
    return canonical.plain(value, argument)


def _within(argument: str, value: Any, least: int, allowed: int) -> int:
    """The caller's whole number, or what the Job Type allows. Raises InvalidJobError for more than that."""
    if value is None:
        return allowed
    if type(value) is not int or not least <= value <= allowed:
        text = _("{0} must be a whole number from {1} to {2}, which the Job Type allows.")
        raise InvalidJobError(text.format(argument, least, allowed))
    return value


def _queue(job_type: JobType, priority: str, asked: str | None) -> str:
    queue = asked or job_type.queue or QUEUE_OF_PRIORITY[priority]
    if queue not in redis_queue.queue_names():
        raise InvalidJobError(_("Job Type {0}: there is no worker queue {1}.").format(job_type.name, queue))
    return queue


# Limits ---------------------------------------------------------------------------------------------------------------


def check_limits(new: Sequence[Prepared], user: str) -> None:
    """Check new jobs against limits: an organization's waiting jobs, and a user's jobs of a type within a time.

    Jobs for which there is no place are refused or held, by the organization's policy. The waiting cap is as exact as
    the submitter's snapshot: two transactions at once may exceed it by the jobs of the other one.
    Raises QueueFullError, RateLimitError or InvalidJobError.
    """
    capped = [item for item in new if item.limits.max_waiting and item.row["in_line"]]
    for organization in sorted({item.row["organization"] for item in capped}):
        _check_waiting([item for item in capped if item.row["organization"] == organization])
    for job_type, number in sorted(Counter(item.row["job_type"] for item in new).items()):
        _check_rate(job_type, number, user)  # last, since its counts are not undone


def _check_waiting(jobs: Sequence[Prepared]) -> None:
    """Check the new jobs of one organization that would be in line now, under its cap."""
    organization, limit = jobs[0].row["organization"], jobs[0].limits
    cap = limit.max_waiting
    room = limits.count_free_places(organization, cap, LinePlace.IN_LINE, LinePlace.HELD)
    if len(jobs) <= room:
        return
    if limit.on_queue_full == HOLD:
        for item in jobs[room:]:
            hold(item.row)
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
        sql.best_effort(partial(_warn, organization, cap))


def _warn(organization: str, cap: int) -> None:
    """Warn the organization's admins, at most once a minute."""
    if not redis_queue.first_in(f"warned:{organization}", SECONDS_BETWEEN_WARNINGS):
        return
    message = {"organization": organization, "organization_name": tenancy.name_of(organization), "max_waiting": cap}
    for user in tenancy.admins_of(organization):
        frappe.publish_realtime(WARNING, message, room=get_user_room(user))
