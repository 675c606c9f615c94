"""Batches: their parts as plain data, and the operations on them. Like those on jobs, none of them commits.

A part is a job (`{"job_type": …, "parameters": …}`, further arguments of `submit_job`, a `key`), a chain
(`{"chain": [part, …]}`: one after the other) or a group (`{"group": [part, …]}`: side by side).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, cast

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import create_batch

from .. import engine
from ..access import visibility
from ..after import cancel, follow_up
from ..after.after_commit import after_commit, undone_on_error
from ..errors import BatchNotFoundError, InvalidJobError, InvalidTransitionError
from ..job import batch_store, record
from ..job.batch_store import CALLBACKS, RUNNING, BatchRow
from ..lib import clock, config, ids, sql
from ..lib.rows import Columns, MemberRow
from ..lib.sql import insert_rows, standard_columns
from ..lib.tables import BATCH
from ..lib.texts import TEXT_LENGTH, cut, text_for_storage
from ..read import pages
from ..status import LIVE, RETRYABLE
from ..submit import dedup, submission
from ..submit.request import Request
from ..types import handlers

Part = Mapping[str, Any]
CHAIN, GROUP = "chain", "group"
MAX_DEPTH = 50
RETRY_AT_ONCE = 500
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

    arguments: Mapping[str, Any]
    """Those of `submit_batch`."""

    def submit(self, organization: str | None = None) -> Document:
        """Submit the batch for an organization, by default as of `submit_job`. See `submit_batch`."""
        return submit_batch(organization, **self.arguments)


def batch(
    *parts: Part,
    on_complete: Part | None = None,
    on_success: Part | None = None,
    on_failure: Part | None = None,
    description: str | None = None,
) -> Batch:
    """A batch of parts that begin side by side: `batch(chain(a, group(b, c)), on_success=d).submit("Acme")`."""
    callbacks = {"on_complete": on_complete, "on_success": on_success, "on_failure": on_failure}
    return Batch({"jobs": parts, "description": description, **callbacks})


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
    named = submission.organization_text(organization, config.settings())
    organization = visibility.viewer(user).id_of(named) or named
    plan = _Plan(organization, jobs)
    row = {**standard_columns(ids.new_name("BATCH"), user, now), "organization": organization, "owner_user": user}
    row |= {"description": _text(description), "status": RUNNING, "created_at": now, "cancel_requested": 0}
    row |= _callbacks(dict(zip(CALLBACKS, (on_complete, on_success, on_failure), strict=True)), row)
    if not plan.jobs and not any(row[kind] for kind in CALLBACKS):
        raise InvalidJobError(_("A batch needs at least one job."))
    with undone_on_error():
        submitted = engine.submit([engine.request_of(part) for part in plan.jobs], plan.after, row)
        row["size"] = len({job.row["name"] for job in submitted if not job.existing})
        insert_rows(config.BATCH, [row])
    if not row["size"]:
        after_commit().actions.append(partial(follow_up.close_ended, [row["name"]]))
    return _document(row)


# The plan of a batch --------------------------------------------------------------------------------------------------


def count_jobs(parts: Any) -> int:
    """The number of jobs in parts. 1 if they can't be submitted."""
    try:
        return len(_Plan("", parts).jobs)
    except InvalidJobError:
        return 1


class _Plan:
    """The jobs of parts that begin side by side, and for each the positions of those that it has to follow.

    The jobs are of `organization` unless they name one. Raises InvalidJobError for a value that is no part.
    """

    def __init__(self, organization: str, parts: Any):
        self.organization = organization
        self.jobs: list[dict[str, Any]] = []
        self.after: list[Sequence[int]] = []
        self._add({GROUP: parts}, (), 0)

    def _add(self, part: Any, after: Sequence[int], depth: int) -> Sequence[int]:
        """Add a part behind the jobs `after`. Returns the positions of its own last jobs: of none if it has no jobs."""
        if not isinstance(part, Mapping) or depth > MAX_DEPTH:
            raise InvalidJobError(
                _("Each part of a batch must be a job, a chain or a group: write job(…) or handler.job(…).")
            )
        kind = next((kind for kind in (CHAIN, GROUP) if kind in part), None)
        if kind is None:
            self.jobs.append({**part, "organization": part.get("organization") or self.organization})
            self.after.append(after)
            return [len(self.jobs) - 1]
        if len(part) > 1:
            raise InvalidJobError(_("A chain or a group must contain only its parts."))
        if not isinstance(part[kind], list | tuple):
            raise InvalidJobError(_("{0} must be a list.").format("jobs"))
        if kind == GROUP:
            return [end for member in part[GROUP] for end in self._add(member, after, depth + 1)]
        ends: Sequence[int] = ()  # and not `after`: a group of such parts would repeat it for each
        for member in part[CHAIN]:
            ends = self._add(member, ends or after, depth + 1) or ends
        return ends


# The callbacks of a batch ---------------------------------------------------------------------------------------------


def _callbacks(parts: Mapping[str, Any], batch: Columns) -> Columns:
    """The columns of a batch for its callbacks, which are checked as jobs."""
    requests = {kind: _callback_request(kind, part, batch) for kind, part in parts.items() if part is not None}
    prepared = submission.prepare_all([*requests.values()], batch["owner_user"], batch)
    made = {kind: follow_up.as_callback(item.row) for kind, item in zip(requests, prepared, strict=True)}
    return {**dict.fromkeys(parts), **made}


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
    return Request(**{**part, "organization": organization, "parameters": parameters})


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
    condition = visibility.viewer().visible(BATCH, pages.text(organization, "organization"))
    condition = pages.narrowed(condition, BATCH, status=status)
    page = pages.newest_page(BATCH, batch_store.PUBLIC_FIELDS, condition, limit, offset)
    return {"batches": _public(page.pop("rows")), **page}


def cancel_batch(batch_id: str, reason: str | None = None) -> Document:
    """Cancel the unfinished jobs of a batch. Returns its document.

    When the caller's transaction commits, waiting jobs are Canceled in steps and running ones are asked to stop.
    Raises InvalidTransitionError if the batch has ended, BatchNotFoundError if it can't be seen, JobBusyError if
    another transaction is just changing it.
    """
    found = visible_batch(batch_id)
    values = {"cancel_requested": 1, "canceled_by": frappe.session.user, "cancel_reason": _text(reason)}
    with undone_on_error():
        is_running = batch_store.update(found["name"], values, status=RUNNING)
    if not is_running:
        raise InvalidTransitionError(_("Batch {0} has already ended.").format(found["name"]))
    after_commit().actions.append(partial(cancel.drain, found["name"]))
    now = batch_store.load(found["name"]) or found  # a retry may have opened it since the transaction began
    return _document({**now, **values})


@undone_on_error()
def retry_batch(batch_id: str) -> dict[str, Any]:
    """Start a fresh series of attempts of all jobs of a batch that have failed: `{batch_id, retried, skipped}`.

    `retried`: how many. `skipped`: the reasons of the others, by job. Raises InvalidTransitionError if none has failed,
    BatchNotFoundError if the batch can't be seen.
    """
    name = visible_batch(batch_id)["name"]
    # As committed right now: this transaction's snapshot may be older than their changes.
    query = batch_store.members_query(name, RETRYABLE, engine.BULK_LIMIT)
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
        for step in create_batch([*jobs], RETRY_AT_ONCE):
            moved |= {job["name"] for job in record.retry_all(step, key or None)}
    parents = {job["waits_for"] for job in failed if job["name"] in moved}
    after_commit().release_children_of(parents)
    changed = _("The job has changed in the meantime. Reload it and try again.")
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
