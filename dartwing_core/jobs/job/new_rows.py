"""New rows of Background Job: their columns, and their insert with the first lines of their history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import frappe

from ..lib import clock, config, deletion, ids, inserts, priorities, transaction
from ..lib.row_types import Columns
from ..lib.rows import standard_columns
from ..status import JobStatus, LinePlace
from . import history, labels
from .job_rows import NewJobRow

INSERT_BYTES, ROW_BYTES = 4_000_000, 1_000  # max_allowed_packet is 16 MB by default
ENTERED = "Job enqueued"


def new_row(user: str, organization: str, now: float) -> Columns:
    """The columns that all new jobs have in common. `user` is their owner."""
    site_now = clock.site_time(now)
    return {
        **standard_columns(ids.job_name(), user, site_now),
        "organization": organization,
        "owner_user": user,
        "status": str(JobStatus.PENDING),
        **dict.fromkeys(("depends_on", "on_parent_failure", "job_key", "parent_batch", "callback_of")),
        **dict.fromkeys(("dedup_hash", "active_key", "dedup_until", "job_title")),
        **dict.fromkeys(("reference_doctype", "reference_name", "job_tags")),
        "created_at": site_now,
        "attempt": 0,
        "retry_count": 0,
        "crash_count": 0,
        "progress": 0,
        "is_result_private": 0,
    }


def columns(due_epoch: float, priority: str, waits_for: str | None = None) -> Columns:
    """The columns of a job that is new or begins anew. It is in line at once if it waits for nothing."""
    is_in_line = not waits_for and due_epoch <= clock.now_epoch()
    return {
        **due_columns(due_epoch, priority),
        "status": str(JobStatus.QUEUED if is_in_line else JobStatus.PENDING),
        "queued_at": clock.site_time() if is_in_line else None,
        "waits_for": waits_for,
        "in_line": int(LinePlace.IN_LINE if is_in_line else LinePlace.OUTSIDE),
    }


def due_columns(due_epoch: float, priority: str) -> Columns:
    """The columns for a job's due time, and for its place in line then."""
    return {**clock.due_columns(due_epoch), "admission_rank": priorities.rank(due_epoch, priority)}


def insert(rows: Sequence[NewJobRow]) -> None:
    """Insert new jobs, which share their columns, in one statement, and their first log rows in another.

    A taken `active_key` raises the driver's IntegrityError. No error leaves a job without its history. Large inserts
    are split, since a server limits the size of a statement. The caller undoes those before the one that fails.
    """
    batches = list(_by_size(rows))
    for batch in batches:
        inserts.insert_rows(config.JOB, list(rows[0]), [tuple(row.values()) for row in batch])
    labels.remember_referring(row["reference_doctype"] for row in rows)
    try:
        for batch in batches:
            history.write([event for row in batch for event in _first_events(row)])
    except Exception as error:
        if not transaction.has_undone_transaction(error, frappe.db.sql):
            deletion.delete_named(config.JOB, [row["name"] for row in rows])
        raise


def _first_events(row: NewJobRow) -> Iterator[history.Event]:
    """The first events of a job: created Pending, and in line at that moment if it waits for nothing."""
    yield history.event_of(row, None, JobStatus.PENDING, "Job created", row["owner"])
    if row["status"] == JobStatus.QUEUED:
        yield history.event_of(row, JobStatus.PENDING, JobStatus.QUEUED, ENTERED, row["owner"])


def _by_size(rows: Sequence[NewJobRow]) -> Iterator[list[NewJobRow]]:
    """The rows in batches of about INSERT_BYTES."""
    batch: list[NewJobRow] = []
    size = 0
    for row in rows:
        size += len(row["sealed_input_parameters"]) + ROW_BYTES
        if batch and size > INSERT_BYTES:
            yield batch
            batch, size = [], len(row["sealed_input_parameters"]) + ROW_BYTES
        batch.append(row)
    if batch:
        yield batch
