"""Batches: their parts as plain data, and the operations on them. Like those on jobs, none of them commits.

A part is a job (`{"job_type": …, "parameters": …}`, further arguments of `submit_job`, a `key`), a chain
(`{"chain": [part, …]}`: one after the other) or a group (`{"group": [part, …]}`: side by side).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

import frappe
from frappe import _

from .. import engine
from ..access import visibility
from ..after import batch_end, cancel
from ..engine import BULK_LIMIT
from ..errors import BatchNotFoundError, InvalidJobError, InvalidTransitionError
from ..job import batch_store, record
from ..job.batch_store import CALLBACKS, RUNNING, BatchRow
from ..job.job_rows import MemberRow
from ..lib import clock, config, ids, sql
from ..lib.dml import in_pieces, insert_rows, standard_columns
from ..lib.row_types import Columns
from ..lib.texts import TEXT_LENGTH, cut, text_for_storage
from ..read import pages
from ..status import LIVE, RETRYABLE
from ..submit import dedup, submission
from ..submit.after_commit import after_commit, undone_on_error
from ..submit.dependency_check import MAX_DEPENDENCIES
from ..submit.request import Request
from ..types import handlers

if TYPE_CHECKING:
    from frappe.model.document import Document

Part = Mapping[str, Any]
CHAIN, GROUP = "chain", "group"
MAX_DEPTH = 50
RETRY_AT_ONCE = 500
SAVEPOINT = "dartwing_core_batch"
CALLBACK_ARGUMENTS = frozenset({"job_type", "parameters", "priority", "organization", "title"})


def job(job_type: str, parameters: Mapping[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """A job to be submitted with others. `arguments` are those of `submit_job`, and `key`."""
    return {"job_type": job_type, "parameters": parameters, **arguments}


def chain(*parts: Part) -> dict[str, Any]:
    """The parts one after the other: each waits for all jobs of the part before it."""
    return {CHAIN: list(parts)}


def group(*parts: Part) -> dict[str, Any]:
    """The parts side by side."""
    return {GROUP: list(parts)}


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
    user, now = frappe.session.user, clock.site_time()
    organization = submission.organization_id(organization, user)
    plan = _plan_of(jobs, organization)
    row = {**standard_columns(ids.new_name("BATCH"), user, now), "organization": organization, "owner_user": user}
    row |= {"description": _text(description), "status": RUNNING, "created_at": now, "cancel_requested": 0}
    callbacks = {"on_complete": on_complete, "on_success": on_success, "on_failure": on_failure}
    row |= _callbacks({kind: part for kind, part in callbacks.items() if part is not None}, row)
    if not plan.jobs and not any(row[kind] for kind in CALLBACKS):
        raise InvalidJobError(_("A batch needs a job."))
    with undone_on_error(SAVEPOINT):
        row["size"] = engine.submit_members(plan.jobs, plan.after, row) if plan.jobs else 0
        insert_rows(config.BATCH, [row])
    if not row["size"]:
        after_commit().actions.append(partial(batch_end.close_ended, [row["name"]]))
    return _document(row)


# The plan of a batch --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Plan:
    """The jobs of some parts in one list, and for each the positions of those that it has to follow."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    after: list[Sequence[int]] = field(default_factory=list)
    dependencies: int = 0


def count_jobs(parts: Any) -> int:
    """The number of jobs in parts. 1 if they can't be submitted."""
    try:
        return len(_plan_of(parts, "").jobs)
    except InvalidJobError:
        return 1


def _plan_of(parts: Any, organization: str) -> _Plan:
    """The plan of parts that begin side by side, whose jobs are of `organization` unless they name one.

    Raises InvalidJobError for a value that is no part, and for too many jobs.
    """
    plan = _Plan()
    _add_all(plan, parts, (), organization, 0)
    return plan


def _add_all(plan: _Plan, parts: Any, after: Sequence[int], organization: str, depth: int) -> list[int]:
    """Add parts side by side, each behind the jobs `after`. Returns the positions of their last jobs."""
    return [end for part in _listed(parts) for end in _add(plan, part, after, organization, depth)]


def _add(plan: _Plan, part: Any, after: Sequence[int], organization: str, depth: int) -> Sequence[int]:
    """Add one part. Returns the positions of its own last jobs, so of none for a part without jobs."""
    if not isinstance(part, Mapping) or depth > MAX_DEPTH:
        raise InvalidJobError(
            _("Each part of a batch must be a job, a chain or a group: write job(…) or handler.job(…).")
        )
    if not {CHAIN, GROUP} & part.keys():
        return _add_job(plan, part, after, organization)
    if len(part) > 1:
        raise InvalidJobError(_("A chain or a group must hold only its parts."))
    if GROUP in part:
        return _add_all(plan, part[GROUP], after, organization, depth + 1)
    ends: Sequence[int] = ()  # and not `after`: a group of such parts would repeat it for each
    for member in _listed(part[CHAIN]):
        ends = _add(plan, member, ends or after, organization, depth + 1) or ends
    return ends


def _add_job(plan: _Plan, part: Part, after: Sequence[int], organization: str) -> list[int]:
    plan.jobs.append({**part, "organization": part.get("organization") or organization})
    plan.after.append(after)
    plan.dependencies += len(after)
    if len(plan.jobs) > BULK_LIMIT:
        raise InvalidJobError(_("At most {0} jobs can be submitted at once.").format(BULK_LIMIT))
    if plan.dependencies > MAX_DEPENDENCIES:
        raise InvalidJobError(_("At most {0} dependencies can be made at once.").format(MAX_DEPENDENCIES))
    return [len(plan.jobs) - 1]


def _listed(parts: Any) -> Sequence[Any]:
    if not isinstance(parts, list | tuple):
        raise InvalidJobError(_("{0} must be a list.").format("jobs"))
    return parts


# The callbacks of a batch ---------------------------------------------------------------------------------------------


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
    return Request(*of_type, title=part.get("title"))


def _takes_batch(type_name: Any) -> bool:
    """Whether the handler of a callback takes `batch_id` among its parameters. All can read it from the context."""
    try:
        declared = handlers.declared_of(submission.enabled_type(type_name).handler_method)
    except InvalidJobError:  # the check of the job says so, to those who may know
        return True
    return declared is None or declared.takes("batch_id")


# Operations on batches ------------------------------------------------------------------------------------------------


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
    pages.check_choice("status", status, batch_store.STATUSES)
    table = frappe.qb.DocType(config.BATCH)
    condition = visibility.viewer().visible(table, pages.text(organization, "organization"))
    condition = pages.narrowed(condition, table, status=status)
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
    after_commit().actions.append(partial(cancel.drain, found["name"]))
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
    # As committed right now: this transaction's snapshot may be older than their changes.
    query = batch_store.members_query(name, RETRYABLE, BULK_LIMIT)
    failed = cast(list[MemberRow], sql.rows_outside_transaction(query))
    if not failed:
        raise InvalidTransitionError(_("No job of batch {0} has failed.").format(name))
    keys, refused = dedup.reclaim_contents(failed)
    may_go = [job for job in failed if job["name"] not in refused]
    if may_go:
        batch_store.reopen(name)

    def to_write(job: MemberRow) -> tuple[str, str, str, bool]:
        """The columns that a retry writes, which are equal for most jobs. A new key is one job's."""
        new_key = keys.get(job["name"])
        key = new_key if new_key and new_key != job["active_key"] else ""
        return key, job["status"], job["priority"], bool(job["waits_for"])

    moved: set[str] = set()
    for (key, *_others), jobs in groupby(sorted(may_go, key=to_write), key=to_write):
        for step in in_pieces([*jobs], RETRY_AT_ONCE):
            begun = record.retry_all(step, key or None)
            moved |= {job["name"] for job in begun}
            after_commit().wake_for([job for job in begun if not job["waits_for"]])
    parents = {job["waits_for"] for job in failed if job["name"] in moved and job["waits_for"]}
    after_commit().release_children_of(parents, batch_end.release_and_close)
    changed = _("The job has just changed; look at it again.")
    skipped = {job["name"]: str(refused.get(job["name"], changed)) for job in failed if job["name"] not in moved}
    return {"batch_id": name, "retried": len(moved), "skipped": skipped}


def visible_batch(batch_id: Any) -> BatchRow:
    """The batch's columns, if the current user may see it.

    Raises BatchNotFoundError, alike for a missing and an invisible one.
    """
    found = batch_store.load(batch_id) if isinstance(batch_id, str) and batch_id else None
    if not found or not visibility.viewer().can_see(found["owner_user"], found["organization"]):
        raise BatchNotFoundError(_("Batch {0} not found.").format(cut(batch_id)))
    return found


def _text(value: Any) -> str | None:
    return text_for_storage(value)[:TEXT_LENGTH] or None if value is not None else None


def _document(row: Mapping[str, Any]) -> Document:
    document = frappe.get_doc({"doctype": config.BATCH, **row})
    document.set("__islocal", False)
    return document


def _public(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = visibility.viewer().with_organization_names([pages.public(row) for row in rows])
    return [{"batch_id": row.pop("name"), **row, "cancel_requested": bool(row["cancel_requested"])} for row in found]
