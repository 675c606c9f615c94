"""Checks a request for a job and turns it into the row to insert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import frappe
from frappe import _

from ..access import content, permission, visibility
from ..access.standing import Standing
from ..errors import InvalidJobError
from ..job import columns, dependencies, find, labels
from ..job.job_rows import JobRow, NewJobRow
from ..lib import canonical, clock, config, priorities, sealing, secret_values
from ..lib.config import JobType
from ..lib.row_types import Columns
from ..lib.texts import cut
from ..rq import redis_queue
from ..status import JobStatus
from ..types import declared_types, functions, handlers
from ..types.handlers import Checked
from ..types.parameters import Declared
from .request import ON_DUPLICATE, Prepared, Request, checked_tags, pair_of, title_for

if TYPE_CHECKING:
    from frappe.model.document import Document

KEY_LENGTH = 140
"""Characters of a `dedup_key`, and of a job's `key`."""


def prepare_all(requests: Sequence[Request], user: str) -> list[Prepared]:
    """Check everything, write nothing. Raises the errors that `submit_job` documents.

    The user's permission is checked once for each type and organization.
    """
    allowed: Allowed = {}
    prepared: list[Prepared] = []
    with config.keeping():
        for number, request in enumerate(requests, 1):
            try:
                prepared.append(_prepare(request, user, allowed))
            except InvalidJobError as error:
                if len(requests) == 1 or type(error) is not InvalidJobError:
                    raise
                text = _("Job {0} ({1}): {2}")
                raise InvalidJobError(text.format(number, cut(request.job_type), error)) from error
    return prepared


Allowed = dict[tuple[str, str], tuple[Standing, Declared | None]]
"""The findings that hold for all jobs of one type and organization."""


def _prepare(request: Request, user: str, allowed: Allowed) -> Prepared:
    organization = organization_text(request.organization)
    try:
        job_type = enabled_type(request.job_type)
    except InvalidJobError:
        permission.check_member(user, organization)  # only members learn of Job Types
        raise
    asked = job_type.name, organization
    if asked not in allowed:
        found = permission.check_submit(user, organization, job_type)
        allowed[asked] = found, handlers.declared_of(job_type.handler_method)
    standing, declared = allowed[asked]
    request = replace(request, organization=standing.organization)
    if job_type.handler_method == functions.HANDLER and not request.is_enqueued:
        raise InvalidJobError(_("Jobs of the type {0} come from enqueue in Python code alone.").format(job_type.name))
    _check_choice("on_duplicate", request.on_duplicate, ON_DUPLICATE)
    parameters = handlers.check_parameters(request.parameters, declared, user)
    priority = request.priority or job_type.default_priority or "Normal"
    _check_choice("priority", priority, priorities.PRIORITIES)
    _check_choice("on_parent_failure", request.on_parent_failure, dependencies.POLICIES)
    due = clock.epoch_of(request.available_at)
    row = _row(request, job_type, user, parameters, priority) | columns.place(due, priority)
    is_paused = not standing.limits.may_start or bool(job_type.is_paused)
    return Prepared(request, cast(NewJobRow, row), is_paused, standing.limits)


def organization_text(given: Any) -> str:
    """The organization as given by id or name, or for None and "" the Default Organization. Raises InvalidJobError."""
    if given is not None and given != "":
        return required_text(given, "organization")
    default = config.settings().default_organization
    if not default:
        raise InvalidJobError(f"{_('{0} is missing.').format('organization')} {how_to_name('organization')}")
    return default


def how_to_name(argument: str) -> str:
    """How a call names its organization."""
    text = _("Pass {0}, or set the Default Organization in {1}.")
    return text.format(argument, _(config.SETTINGS))


def organization_id(given: Any, user: str) -> str:
    """The id of an organization that is given by id or name, or of the default one. Raises InvalidJobError."""
    organization = organization_text(given)
    return visibility.viewer(user).id_of(organization) or organization


def check_organization(prepared: Sequence[Prepared], organization: str) -> None:
    """Raises InvalidJobError if jobs of a batch are of another organization."""
    if any(item.row["organization"] != organization for item in prepared):
        raise InvalidJobError(_("All jobs of a batch must be of its organization."))


def edited(job: JobRow, parameters: Any) -> tuple[Columns, str]:
    """The columns that change when a job is retried with other parameters. None do if they are the same.

    Also returns the parameters that it had, as JSON with dots in place of secrets.

    Raises InvalidJobError for invalid ones, and for dots in place of a secret beside a change.
    """
    job_type = config.job_type(job["job_type"])
    if job_type and job_type.handler_method == functions.HANDLER:
        raise InvalidJobError(_("Jobs of the type {0} keep their parameters.").format(job_type.name))
    stored = find.load(job["name"], "input_parameters")
    before = (canonical.load(stored["input_parameters"]) if stored else None) or {}
    declared = handlers.declared_of(job_type.handler_method) if job_type else None
    secrets = declared.secrets if declared else frozenset()
    if secret_values.are_same(parameters, before, secrets):
        return {}, ""
    found = handlers.check_parameters(parameters, declared, job["owner_user"])
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
    return values, canonical.canonical_json(had)


def _row(request: Request, job_type: JobType, user: str, parameters: Checked, priority: str) -> Columns:
    now = clock.now_epoch()
    policy, window = _deduplication(request, job_type)
    doctype, name = pair_of(request.reference)
    content = _stored_hash(job_type.name, request.organization, parameters.identity)
    return columns.new_row(user, request.organization, now) | {
        "reference_doctype": doctype,
        "reference_name": name,
        "job_tags": labels.joined(checked_tags(request.tags)),
        "job_type": job_type.name,
        "priority": priority,
        "queue": _queue(job_type, priority, request.queue),
        "on_parent_failure": request.on_parent_failure,
        "job_key": request.key,
        "job_title": title_for(request.title, job_type.get("job_title"), parameters.shown),
        "sealed_input_parameters": sealing.seal(parameters.text),
        "job_hash": content,
        "dedup_hash": _dedup_hash(request, job_type.name, content) if policy != config.NEVER else None,
        "dedup_until": clock.site_time(now + window) if policy == config.WITHIN_WINDOW else None,
        "is_result_private": int(job_type.results_visible_to == visibility.OWNER_ONLY),
        "timeout_seconds": _within("timeout", request.timeout, 1, job_type.default_timeout or config.DEFAULT_TIMEOUT),
        "max_retries": _within("max_retries", request.max_retries, 0, job_type.max_retries or 0),
    }


def _deduplication(request: Request, job_type: JobType) -> tuple[str, int]:
    """How long equal jobs are duplicates, by the caller or else the Job Type, and the window in seconds.

    A caller who names a key wants to find duplicates, also of a type that does not look for them. Raises
    InvalidJobError for a policy that there is not.
    """
    asked, window = request.deduplication, max(job_type.deduplication_window or 0, 0)
    if asked is not None:
        _check_choice("deduplication", asked, [*config.DEDUPLICATION])
        return config.DEDUPLICATION[asked], window or config.DEFAULT_WINDOW
    is_key_alone = job_type.deduplication == config.NEVER and request.dedup_key is not None
    return config.WHILE_UNFINISHED if is_key_alone else job_type.deduplication, window


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
        text = _("Unknown Job Type: {0}. One in code is made by bench migrate, if the hook {1} names its module.")
        raise InvalidJobError(text.format(cut(name), functions.HANDLERS_HOOK))
    if not job_type.is_enabled:
        raise InvalidJobError(_("Job Type {0} is disabled and takes no new jobs.").format(job_type.name))
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
    queue = asked or job_type.queue or priorities.QUEUE_OF_PRIORITY[priority]
    if queue not in redis_queue.queue_names():
        raise InvalidJobError(_("Job Type {0}: no worker queue is named {1}.").format(job_type.name, queue))
    return queue


def _dedup_hash(request: Request, job_type: str, content: str) -> str:
    """The content's hash, or that of the caller's own key for this type and organization."""
    if request.dedup_key is None:
        return content
    key = required_text(request.dedup_key, "dedup_key")
    if len(key) > KEY_LENGTH:
        raise InvalidJobError(_("dedup_key is longer than {0} characters.").format(KEY_LENGTH))
    return _stored_hash(job_type, request.organization, f"key:{key}")


def as_new_document(row: Mapping[str, Any]) -> Document:
    """The document of a job that begins with the caller's transaction.

    Its status is Pending, whatever its row says: no worker can claim it before the commit."""
    return as_document({**row, "status": str(JobStatus.PENDING)})


def as_document(row: Mapping[str, Any]) -> Document:
    """The Background Job document of an inserted row, without reading it back."""
    open_columns = {name: value for name, value in row.items() if not name.startswith(content.PREFIX)}
    document = frappe.get_doc({"doctype": config.JOB, **open_columns})
    content.keep(document, row)
    document.set("__islocal", False)
    return document
