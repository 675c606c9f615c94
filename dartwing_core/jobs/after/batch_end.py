"""The end of a batch: found when a member ends, decided under the lock of the batch's row, made known by callbacks."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import partial

import frappe

from ..job import batch_store, event_jobs, record
from ..job.batch_store import ON_COMPLETE, ON_FAILURE, ON_SUCCESS, BatchState
from ..lib import best_effort, clock, config, sql
from ..lib.rows import Columns, NewJobRow, new_job
from . import child_jobs

CALLBACK_COLUMNS = (
    *("job_type", "priority", "queue", "sealed_input_parameters", "job_hash", "timeout_seconds", "max_retries"),
    *("job_title", "reference_doctype", "reference_name", "job_tags", "is_result_private"),
)
"""The columns kept of a callback until it is made, as they were when it was submitted and checked."""


def release_and_close(parents: Collection[str], batches: Collection[str | None] = ()) -> None:
    """Release the children of those jobs that are over. Close these batches and those of ended children. Commits."""
    released = child_jobs.release_children(parents)
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
    return sum(best_effort.run(partial(_close, name)) is not None for name in names)


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
        values = {"status": _end(state), "completed_at": clock.site_time(), "cancel_requested": 0}
        told = event_jobs.rows_for_batch(name, batch["organization"], batch["owner_user"], values["status"])
        record.insert_untold(told)
    rows = {kind: _callback(batch, kind) for kind in due if batch[kind] and not batch[f"{kind}_job"]}
    values |= {f"{kind}_job": row["name"] for kind, row in rows.items()}
    batch_store.update(name, values)
    record.insert([*rows.values()])
    return [*rows.values()]


def _end(state: BatchState) -> str:
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
