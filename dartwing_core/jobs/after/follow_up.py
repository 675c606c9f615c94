"""The follow-up of a settle: jobs and batches that waited for it go on, circuits open and close.

A child's `waits_for` names a parent that is not over, the youngest first. When that one ends, the child goes on to the
next parent that is not over, or gets in line. So a settle touches only the children that wait for that very job.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import frappe

from ..access import tenancy
from ..job import batch_store, circuits, dependencies, event_jobs, events, find, record
from ..job.batch_store import ON_COMPLETE, ON_FAILURE, ON_SUCCESS, BatchState
from ..job.find import RUN_ANYWAY
from ..job.runs import Outcome
from ..lib import clock, config, sql
from ..lib.config import JobType
from ..lib.rows import Columns, MovableJob, NewJobRow, TypeAndOrganization, WaitingRow, new_job
from ..line import queue_view
from ..rq import due_sites
from ..run.attempt import Attempt
from ..status import FINISHED, LIVE, WAITING, JobStatus

CHANGED = "job_circuit_changed"
"""Realtime event for the admins of the organization."""


def release_waiting(attempts: Sequence[Attempt]) -> None:
    """Release the jobs that waited for those of these attempts, and close batches that ended with them. Commits."""
    over = [attempt.job.row for attempt in attempts if attempt.end and attempt.end.status in FINISHED]
    release_and_close([job["name"] for job in over], {job["parent_batch"] for job in over})


def requeue_if_due(attempt: Attempt) -> None:
    """Put a job in line again whose next attempt is due at once. Others wait for the sweeper."""
    name, end = attempt.job.name, attempt.end
    if end is not None and end.due is not None and end.due <= clock.now_epoch():
        sql.best_effort(partial(sql.committed, partial(record.enter_line, [name])))


def tell_circuit(attempt: Attempt) -> None:
    """Record the end of the attempt for its circuit, best effort."""
    job = attempt.job
    if attempt.end:
        sql.best_effort(partial(record_end, job.row, attempt.end, job.job_type, is_probe=job.is_probe))


def record_end(job: MovableJob, end: Outcome, job_type: JobType | None, *, is_probe: bool = False) -> None:
    """Record the committed end of an attempt for its circuit. Commits.

    `is_probe`: whether it was claimed as the probe. A transient failure costs one statement. A success costs none
    unless it was the probe. Types without a circuit breaker cost nothing.
    """
    if job_type is None or not config.has_breaker(job_type):
        return
    if end.is_transient:
        _record_failure(job, job_type)
    elif is_probe:
        has_closed = end.status == JobStatus.COMPLETED and sql.committed(partial(circuits.close, job))
        queue_view.ring_for_line()  # the next probe may try
        if has_closed:
            announce_change(job, circuits.CLOSED)


def _record_failure(job: MovableJob, job_type: JobType) -> None:
    seen = circuits.tally(job, job_type)
    until = clock.now_epoch() + 60 * (job_type.circuit_breaker_cooldown_minutes or 0)
    is_enough = seen.samples >= max(1, job_type.circuit_breaker_min_samples or 0)
    must_open = is_enough and seen.failures >= (job_type.circuit_breaker_failure_threshold or 1) * seen.samples
    has_opened = False
    if seen.status == circuits.HALF_OPEN:
        has_opened = sql.committed(partial(circuits.reopen, job, until))
    elif must_open and seen.status != circuits.OPEN:
        has_opened = sql.committed(partial(circuits.open_anew, job, seen, until))
    if has_opened:
        announce_change(job, circuits.OPEN, until)


def announce_change(job: TypeAndOrganization, status: str, until: float | None = None) -> None:
    """Update the admins' screens, after the commit."""
    message = {
        "job_type": job["job_type"],
        "organization": job["organization"],
        "organization_name": tenancy.name_of(job["organization"]),
        "status": status,
        "open_until": clock.isoformat(clock.site_time(until)) if until else None,
        "updated_at": clock.iso_clock()(),
    }
    for user in tenancy.admins_of(job["organization"]):
        events.publish_to_user(user, CHANGED, message)


# The end of a batch: found when a member ends, decided under the lock of its row --------------------------------------


CALLBACK_COLUMNS = (
    *("job_type", "priority", "queue", "sealed_input_parameters", "job_hash", "timeout_seconds", "max_retries"),
    *("job_title", "reference_doctype", "reference_name", "job_tags", "is_result_private"),
)
"""The columns kept of a callback until it is made, as they were when it was submitted and checked."""


def release_and_close(parents: Collection[str], batches: Collection[str | None] = ()) -> None:
    """Release the children of those jobs that are over. Close these batches and those of ended children. Commits."""
    released = release_children(parents)
    concerned = [*batches, *(child["parent_batch"] for child in released.ended)]
    close_ended({batch for batch in concerned if batch is not None})


def close_ended(names: Collection[str]) -> None:
    """Close the batches without a live member, and make the due callbacks. Commits: only after another commit."""
    if names:
        sql.commit()  # a fresh snapshot
        close_states(batch_store.states(sorted(names)))


def close_states(states: Collection[BatchState]) -> int:
    """Close batches whose state is known. Returns how many changed. Commits."""
    names = [state["name"] for state in states if _is_news(state)]
    return sum(sql.best_effort(partial(_close, name)) is not None for name in names)


def _is_news(state: BatchState) -> bool:
    return not state["is_live"] or bool(state["has_failed"] and state["awaits_failure"])


def _close(name: str) -> list[NewJobRow] | None:
    """Write a batch's end and make its callbacks. Returns the rows of those, None if nothing has changed."""
    sql.commit()  # the snapshot has to be younger than the lock
    callbacks = sql.committed(partial(_write, name))
    if callbacks is not None:
        close_ended([name])  # the last member may have ended meanwhile and found our lock on the row
    return callbacks


def _write(name: str) -> list[NewJobRow] | None:
    if not batch_store.lock(name):
        return None
    state = batch_store.states([name])[0]
    fields = [*batch_store.PUBLIC_FIELDS, *batch_store.CALLBACKS]
    batch: Columns | None = frappe.db.get_value(config.BATCH, name, fields, as_dict=True)
    if not batch or not _is_news(state):
        return None
    due = [ON_FAILURE] if state["has_failed"] else []
    values: Columns = {}
    if not state["is_live"]:
        due += [ON_COMPLETE] if state["has_failed"] else [ON_COMPLETE, ON_SUCCESS]
        values = {"status": _end_of(state), "completed_at": clock.site_time(), "cancel_requested": 0}
        told = event_jobs.rows_for_batch(name, batch["organization"], batch["owner_user"], values["status"])
        record.insert_untold(told)
    rows = {kind: _callback(batch, kind) for kind in due if batch[kind] and not batch[f"{kind}_job"]}
    values |= {f"{kind}_job": row["name"] for kind, row in rows.items()}
    batch_store.update(name, values)
    record.insert([*rows.values()])
    return [*rows.values()]


def _end_of(state: BatchState) -> str:
    if not state["has_failed"]:
        return batch_store.COMPLETED
    return batch_store.CANCELED if state["cancel_requested"] else batch_store.FAILED


def as_callback(row: NewJobRow) -> str:
    """The kept columns of a callback's row, as JSON."""
    stored: Columns = {**row}
    return json.dumps({column: stored[column] for column in CALLBACK_COLUMNS})


def _callback(batch: Columns, kind: str) -> NewJobRow:
    kept = json.loads(batch[kind])
    return new_job(batch["owner_user"], batch["organization"], **kept, callback_of=batch["name"])


# Children: jobs that wait for other jobs (`depends_on`) ---------------------------------------------------------------


AT_ONCE = 500  # in one transaction
MOST = 10_000
"""So many follow a parent straight away: as many as a batch may have. The sweeper goes on with the others."""
ENDS: dict[str | None, str] = {JobStatus.DEAD_LETTER: "failed", JobStatus.CANCELED: "was canceled", None: "was deleted"}


@dataclass(slots=True)
class Released:
    """Children of ended jobs that were released, moved on or ended."""

    number: int = 0
    """How many were changed."""
    ended: list[WaitingRow] = field(default_factory=list)
    next_parents: set[str] = field(default_factory=set)

    def add(self, more: Released) -> None:
        """Add what a further release has changed."""
        self.number += more.number
        self.ended += more.ended
        self.next_parents |= more.next_parents


def release_children(parents: Collection[str], limit: int = MOST) -> Released:
    """Release or end the children of those jobs that are over, then those of ended ones, at most `limit`. Commits."""
    released, names = Released(), set(parents)
    while names and released.number < limit:
        step = _release_over(names, limit - released.number)
        released.add(step)
        names = step.next_parents | {job["name"] for job in step.ended}
    return released


def _release_over(parents: Collection[str], limit: int) -> Released:
    sql.commit()  # a fresh snapshot
    awaited = sorted(find.awaited(sorted(parents)))  # most of them have no children
    statuses = find.statuses(awaited) if awaited else {}
    over = {name: statuses.get(name) for name in awaited if statuses.get(name) not in LIVE}
    steps = [partial(_release_some, name, status) for name, status in over.items()]
    if failed := {name: status for name, status in over.items() if status != JobStatus.COMPLETED}:
        steps.append(partial(_end_others, failed))
    released = Released()
    for step in steps:
        while released.number < limit:
            some = partial(step, min(limit - released.number, AT_ONCE))
            done = sql.best_effort(partial(sql.committed, some)) or Released()
            released.add(done)
            if not done.number:
                break
    return released


def _release_some(parent: str, status: str | None, limit: int) -> Released:
    """Release or end the first `limit` jobs that wait for one job, which is over or gone (status None)."""
    released = Released()
    children = find.children(parent, limit)
    if status != JobStatus.COMPLETED:
        others = [job for job in children if job["on_parent_failure"] != RUN_ANYWAY]
        released.ended = _end_children(others, parent, status)
        children = [job for job in children if job["on_parent_failure"] == RUN_ANYWAY]
    next_parents = {job["name"]: job["next_parent"] for job in children}
    going_on, now = find.lock_waiting(list(next_parents), parent), clock.now_epoch()
    record.set_parents({job["name"]: next_parents[job["name"]] for job in going_on}, WAITING)
    free = [job for job in going_on if not next_parents[job["name"]]]
    released.number = len(going_on) + len(released.ended)
    record.put_in_line([job for job in free if job["due_epoch"] <= now])
    if later := [job["due_epoch"] for job in free if job["due_epoch"] > now]:
        due_sites.note_after_commit(min(later))
    released.next_parents = {name for name in next_parents.values() if name}
    return released


def _end_others(failed: Mapping[str, str | None], limit: int) -> Released:
    """End jobs that depend on failed ones but wait for others. Those may take long, and the wait would be in vain."""
    jobs = {job["name"]: job for job in find.other_children(sorted(failed), limit)}.values()  # each once
    ended: list[WaitingRow] = []
    for parent in sorted({job["parent"] for job in jobs}):
        ended += _end_children([job for job in jobs if job["parent"] == parent], parent, failed[parent])
    return Released(len(ended), ended)


def _end_children(jobs: Sequence[WaitingRow], parent: str, status: str | None) -> list[WaitingRow]:
    """End the jobs whose rows are not locked, each by its own policy, and log the reason."""
    message = f"The job it depends on, {parent}, {ENDS[status]}"
    to_cancel = [job for job in jobs if job["on_parent_failure"] == dependencies.CANCEL]
    others = [job for job in jobs if job["on_parent_failure"] != dependencies.CANCEL]
    ended = record.end_all(to_cancel, JobStatus.CANCELED, message, config.ENGINE)
    return [*ended, *record.end_all(others, JobStatus.DEAD_LETTER, message, config.ENGINE)]
