"""The operations on batches. Like those on jobs, none of them commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from .. import engine
from ..access import visibility
from ..after import batch_cancel, batch_end
from ..errors import BatchNotFoundError, InvalidJobError, InvalidTransitionError
from ..job import batch_store, record
from ..job.batch_store import CALLBACKS, RUNNING, BatchRow
from ..job.job_rows import MemberRow
from ..lib import clock, config, ids
from ..lib.pieces import in_pieces
from ..lib.row_types import Columns
from ..lib.rows import standard_columns
from ..lib.texts import TEXT_LENGTH, cut, text_for_storage
from ..read import list_arguments, pages
from ..status import LIVE, RETRYABLE
from ..submit import dedup, given_parameters, submission
from ..submit.after_commit import after_commit, undone_on_error
from ..submit.request import Request
from . import builders
from .builders import Part

if TYPE_CHECKING:
    from frappe.model.document import Document

RETRY_AT_ONCE = 500
SAVEPOINT = "dartwing_core_batch"
CALLBACK_ARGUMENTS = frozenset({"job_type", "parameters", "priority", "organization", "title"})


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs to be submitted as a batch, made by `batch`."""

    jobs: tuple[Part, ...]
    callbacks: Mapping[str, Part | None] = field(default_factory=dict)
    description: str | None = None

    def submit(self, organization: str | None = None) -> Document:
        """Submit the batch for an organization, by default as of `submit_job`. See `submit_batch`."""
        return submit_batch(organization, self.jobs, description=self.description, **self.callbacks)


def batch(
    *parts: Part,
    on_complete: Part | None = None,
    on_success: Part | None = None,
    on_failure: Part | None = None,
    description: str | None = None,
) -> Batch:
    """A batch of parts that begin side by side: `batch(chain(a, group(b, c)), on_success=d).submit("Acme")`."""
    callbacks = {"on_complete": on_complete, "on_success": on_success, "on_failure": on_failure}
    return Batch(parts, callbacks, description)


def submit_batch(
    organization: str | None,
    jobs: Sequence[Part],
    on_complete: Part | None = None,
    on_success: Part | None = None,
    on_failure: Part | None = None,
    description: str | None = None,
) -> Document:
    """Submit jobs that are watched, canceled and retried as a whole. Returns the Job Batch document.

    All or none, in the caller's transaction, at most 10,000. `jobs`: results of `job`, `chain` and `group`.

    The callbacks are jobs too, each made at most once in the life of the batch: `on_success` when all jobs are
    completed, `on_complete` when all have ended in any way, `on_failure` when the first one has failed for good or was
    canceled. A callback gets `batch_id` among its parameters if its handler takes it. Raises the errors of
    `submit_job`.
    """
    organization = submission.organization_id(organization, frappe.session.user)
    plan = builders.plan_of(jobs, organization)
    row = _batch_row(organization, description)
    callbacks = {"on_complete": on_complete, "on_success": on_success, "on_failure": on_failure}
    row |= _callbacks({kind: part for kind, part in callbacks.items() if part is not None}, row)
    if not plan.jobs and not any(row[kind] for kind in CALLBACKS):
        raise InvalidJobError(_("A batch needs a job."))
    with undone_on_error(SAVEPOINT):
        row["size"] = engine.submit_members(plan.jobs, plan.after, row) if plan.jobs else 0
        batch_store.insert(row)
    if not row["size"]:
        after_commit().actions.append(partial(batch_end.close_ended, [row["name"]]))
    return _document(row)


def get_batch_status(batch_id: str) -> dict[str, Any]:
    """State and progress of a batch, with the number of its jobs in each status.

    Raises BatchNotFoundError for a missing or invisible one.
    """
    found = visible_batch(batch_id)
    counts = batch_store.counts(found["name"])
    ended = sum(number for status, number in counts.items() if status not in LIVE)
    total = sum(counts.values())
    progress = 1_000 * ended // total / 10 if total else 100.0  # 100 only when all have ended
    return {**_public([found])[0], "job_count_by_status": counts, "progress": progress}


def list_batches(
    organization: str | None = None, status: str | None = None, limit: int = 20, offset: int = 0
) -> dict[str, Any]:
    """Batches that the user may see, newest first: `{batches, total, limit, offset}`, bounded like `list_jobs`."""
    list_arguments.check_choice("status", status, batch_store.STATUSES)
    table = frappe.qb.DocType(config.BATCH)
    condition = visibility.viewer().visible(table, list_arguments.organization_filter(organization))
    condition = list_arguments.narrowed(condition, table, status=status)
    page = pages.newest_page(table, batch_store.PUBLIC_FIELDS, condition, limit, offset)
    return {"batches": _public(page.pop("rows")), **page}


def cancel_batch(batch_id: str, reason: str | None = None) -> Document:
    """Cancel the unfinished jobs of a batch. Returns its document.

    When the caller's transaction commits, waiting jobs are Canceled in steps and running ones are asked to stop.
    Raises InvalidTransitionError if the batch has ended, BatchNotFoundError if it can't be seen, JobBusyError if
    another transaction is just changing it.
    """
    found = visible_batch(batch_id)
    values = {"cancel_requested": 1, "canceled_by": frappe.session.user, "cancel_reason": _text(reason)}
    with undone_on_error(SAVEPOINT):
        is_running = batch_store.update(found["name"], values, status=RUNNING)
    if not is_running:
        raise InvalidTransitionError(_("Batch {0} has ended already.").format(found["name"]))
    after_commit().actions.append(partial(batch_cancel.drain, found["name"]))
    now = batch_store.load(found["name"]) or found  # a retry may have opened it since the transaction began
    return _document({**now, **values})


def retry_batch(batch_id: str) -> dict[str, Any]:
    """Start a fresh series of attempts of all jobs of a batch that have failed: `{batch_id, retried, skipped}`.

    `retried`: how many. `skipped`: the reasons of the others, by job. Raises InvalidTransitionError if none has failed,
    BatchNotFoundError if the batch can't be seen.
    """
    name = visible_batch(batch_id)["name"]
    with undone_on_error(SAVEPOINT):
        return _retry_failed(name)


def _retry_failed(name: str) -> dict[str, Any]:
    failed = batch_store.members_now(name, RETRYABLE, engine.BULK_LIMIT)
    if not failed:
        raise InvalidTransitionError(_("No job of batch {0} has failed.").format(name))
    keys, skipped = dedup.reclaim_contents(failed)
    may_go = [job for job in failed if job["name"] not in skipped]
    if may_go:
        batch_store.reopen(name)
    moved = set()
    for key, jobs in _alike(may_go, keys):
        for step in in_pieces(jobs, RETRY_AT_ONCE):
            begun = record.retry_all(step, key)
            moved |= {job["name"] for job in begun}
            after_commit().wake_for([job for job in begun if not job["waits_for"]])
    retried = [job for job in failed if job["name"] in moved]
    after_commit().release_children_of(
        {job["waits_for"] for job in retried if job["waits_for"]}, batch_end.release_and_close
    )
    changed = _("The job has just changed; look at it again.")
    left = {job["name"]: changed for job in failed if job["name"] not in moved}
    return {"batch_id": name, "retried": len(retried), "skipped": left | {job: str(skipped[job]) for job in skipped}}


def _alike(failed: Sequence[MemberRow], keys: Mapping[str, str | None]) -> list[tuple[str | None, list[MemberRow]]]:
    """The jobs by the columns that a retry writes, which are equal for most of them: a new key, and the jobs."""
    found: dict[tuple[Any, ...], list[MemberRow]] = defaultdict(list)
    for job in failed:
        new_key = keys.get(job["name"])
        key = new_key if new_key != job["active_key"] else None
        found[key, job["status"], job["priority"], bool(job["waits_for"])].append(job)
    return [(key, jobs) for (key, *_others), jobs in found.items()]


def visible_batch(batch_id: Any) -> BatchRow:
    """The batch's columns, if the current user may see it.

    Raises BatchNotFoundError, alike for a missing and an invisible one.
    """
    found = batch_store.load(batch_id) if isinstance(batch_id, str) and batch_id else None
    if not found or not visibility.viewer().can_see(found["owner_user"], found["organization"]):
        raise BatchNotFoundError(_("Batch {0} not found.").format(cut(batch_id)))
    return found


def _batch_row(organization: str, description: str | None) -> Columns:
    user, now = frappe.session.user, clock.site_time()
    return {
        **standard_columns(ids.batch_name(), user, now),
        "organization": organization,
        "owner_user": user,
        "description": _text(description),
        "status": RUNNING,
        "created_at": now,
        "cancel_requested": 0,
    }


def _callbacks(parts: Mapping[str, Any], batch: Columns) -> dict[str, str | None]:
    """The columns of a batch for its callbacks, which are checked as jobs."""
    requests = [_callback_request(kind, part, batch) for kind, part in parts.items()]
    prepared = submission.prepare_all(requests, batch["owner_user"])
    submission.check_organization(prepared, batch["organization"])
    made = {kind: batch_end.as_callback(item.row) for kind, item in zip(parts, prepared, strict=True)}
    return {**dict.fromkeys(CALLBACKS), **made}


def _callback_request(kind: str, part: Any, batch: Columns) -> Request:
    if not isinstance(part, Mapping) or part.keys() - CALLBACK_ARGUMENTS:
        raise InvalidJobError(
            _(
                "{0} must be a job with only job_type, parameters, priority and title: write job(…) or handler.job(…)."
            ).format(kind)
        )
    organization = part.get("organization") or batch["organization"]
    parameters = part.get("parameters") or {}
    if not isinstance(parameters, Mapping):
        raise InvalidJobError(_("{0} must be an object.").format("parameters"))
    if _takes_batch(part.get("job_type")):
        parameters = {**parameters, "batch_id": batch["name"]}
    of_type = part.get("job_type"), organization, parameters, part.get("priority")
    return Request(*of_type, title=part.get("title"))  # type: ignore[arg-type]


def _takes_batch(type_name: Any) -> bool:
    """Whether the handler of a callback takes `batch_id` among its parameters. All can read it from the context."""
    try:
        declared = given_parameters.declared_of(submission.enabled_type(type_name))
    except InvalidJobError:  # the check of the job says so, to those who may know
        return True
    return declared is None or declared.takes("batch_id")


def _text(value: Any) -> str | None:
    return text_for_storage(value)[:TEXT_LENGTH] or None if value is not None else None


def _document(row: Mapping[str, Any]) -> Document:
    document = frappe.get_doc({"doctype": config.BATCH, **row})
    document.set("__islocal", False)
    return document


def _public(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = visibility.viewer().with_organization_names([pages.public(row) for row in rows])
    return [{"batch_id": row.pop("name"), **row, "cancel_requested": bool(row["cancel_requested"])} for row in found]
