"""Background Job Run: one row for each attempt, and the only place for what changes while it runs (invariant I7).

The row of a short attempt is inserted when it ends. A longer one gets its row by its heartbeat or by a request to stop,
whichever comes first. Until then its lease counts from the start noted on the job.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import frappe
from frappe import _
from pypika import Order
from pypika.terms import Values

from ..access import content
from ..errors import JobCanceledError
from ..lib import clock, config, dml, ids, server_errors, sql
from ..lib.dml import standard_columns, update_query
from ..lib.row_types import AttemptKey, Columns, fields_of
from ..lib.texts import TEXT_LENGTH


class ProgressColumns(TypedDict):
    """A job's progress, from its own row or its attempt's."""

    progress: float
    progress_message: str | None


class RunRow(ProgressColumns):
    """The live columns of a running attempt."""

    background_job: str
    steps: str | None
    cancel_requested: int


class CancelRequest(TypedDict):
    """A request to stop an attempt or a batch."""

    cancel_requested: int
    canceled_by: str
    cancel_reason: str | None


class RunStart(TypedDict):
    """The columns of an attempt that are known when it begins."""

    background_job: str
    attempt: int
    worker: str
    rq_job_id: str
    connection_id: int
    started_at: datetime | None


TRACEBACK_LENGTH = 50_000


def write(run: str, values: Columns, lock_wait: int | None = None) -> None:
    """Write columns of an attempt that may have a row. Waits at most `lock_wait` seconds for its lock.

    Issues one statement: UPDATEs that find no row lock gaps, and two of them deadlock with their INSERTs.
    """
    values = content.sealed(values)
    row = {**_standard(run), **values}
    query = frappe.qb.into(frappe.qb.DocType(config.RUN)).columns(*row).insert(*row.values())
    for column in ("modified", *values):
        query = query.on_duplicate_key_update(column, Values(column))  # a value itself would be put into the SQL's text
    sql.run_update(query, lock_wait)


def settle(run: str, values: Columns, is_canceled: bool, *, exists: bool, lock_wait: int) -> None:
    """Write an attempt's end, in the transaction of its settle.

    Raises JobCanceledError if the attempt was asked to stop and this end is not a cancel. A later request waits for the
    settle's commit, and finds that the attempt is over. `exists`: whether the attempt's heartbeat has made the row.
    Otherwise a request or a checkpoint may have.
    """
    if not is_canceled:
        if not exists and _inserted(run, values, lock_wait):
            return
        if _update(run, values, lock_wait, unless_canceled=True):
            return
        if sql.latest(config.RUN, run, "cancel_requested"):
            raise JobCanceledError(_("The job was canceled."))
    write(run, values, lock_wait)


def request_cancel(job: str, attempt: int, user: str, reason: str | None) -> bool:
    """Ask a running attempt to stop. False, without a wait, if another transaction keeps its row locked.

    Its heartbeat reads the request, and its settle waits for the end of this transaction.
    """
    values = {
        "cancel_requested": 1,
        "canceled_by": user,
        "cancel_reason": (reason or "")[:TEXT_LENGTH] or None,
        "cancel_requested_epoch": sql.database_epoch(),
    }
    try:
        write(ids.run_name(job, attempt), {"background_job": job, "attempt": attempt, **values}, lock_wait=0)
    except Exception as error:
        if server_errors.database_code(error) != server_errors.LOCK_WAIT_TIMEOUT:
            raise
        return False
    return True


def lock_unended(run: str) -> bool:
    """Lock an attempt's row until the transaction ends. False, without a wait, if it is locked or has ended."""
    table = frappe.qb.DocType(config.RUN)
    query = frappe.qb.from_(table).select(table.name).where((table.name == run) & table.outcome.isnull())
    return bool(sql.run_locking_read(query.for_update(skip_locked=True)))


def cancel_request(name: str, doctype: str = config.RUN) -> CancelRequest | None:
    """The request to stop this attempt (or batch), with user and reason. None if there is none."""
    fields = content.columns(fields_of(CancelRequest))
    row: CancelRequest | None = frappe.db.get_value(doctype, name, fields, as_dict=True)
    return content.shown(row) if row and row["cancel_requested"] else None


def latest_state(job: str) -> str | None:
    """The last checkpoint of the job's attempts, as JSON."""
    run = frappe.qb.DocType(config.RUN)
    query = frappe.qb.from_(run).select(run.sealed_state)
    query = query.where((run.background_job == job) & run.sealed_state.isnotnull())
    found = query.orderby(run.attempt, order=Order.desc).limit(1).run(as_dict=True)
    return content.opened(found[0])["state"] if found else None


def keep_parameters(job: str, attempt: int, parameters: str) -> None:
    """Note on the last attempt of a series the parameters that it has run with, without secrets."""
    run = ids.run_name(job, attempt)
    if frappe.db.exists(config.RUN, run):
        _update(run, {"input_parameters": parameters})


def forget_state(job: str) -> None:
    """Drop the checkpoints of a job's attempts, by name: over the index, the gaps beside them would be locked."""
    run = frappe.qb.DocType(config.RUN)
    if names := dml.names_of(config.RUN, "background_job", [job]):
        query = frappe.qb.update(run).set(run.sealed_state, None).where(run.name.isin(sorted(names)))
        sql.run_update(query, by_name=True)


def live_progress(jobs: Sequence[AttemptKey]) -> dict[str, RunRow]:
    """The live columns of running attempts, by job, in one statement. Leaves out those too young to have a row."""
    names = [ids.run_name(job["name"], job["attempt"]) for job in jobs]
    if not names:
        return {}
    run = frappe.qb.DocType(config.RUN)
    columns = (run.background_job, run.progress, run.progress_message, run.steps, run.cancel_requested)
    query = frappe.qb.from_(run).select(*columns).where(run.name.isin(names))
    return {row.background_job: row for row in query.run(as_dict=True)}


def _inserted(run: str, values: Columns, lock_wait: int) -> bool:
    """Whether there was no row. Runs as of now: with snapshot isolation a new row would raise error 1020."""
    row = {column: value for column, value in {**_standard(run), **content.sealed(values)}.items() if value is not None}
    try:
        dml.insert_rows(config.RUN, [row], lock_wait)
    except Exception as error:
        if not frappe.db.is_primary_key_violation(error):
            raise
        return False
    return True


def _update(run: str, values: Columns, lock_wait: int | None = None, *, unless_canceled: bool = False) -> bool:
    table = frappe.qb.DocType(config.RUN)
    query = update_query(config.RUN, {"modified": clock.site_time(), **content.sealed(values)})
    query = query.where(table.name == run)
    if unless_canceled:
        query = query.where(table.cancel_requested == 0)
    return bool(sql.run_update(query, lock_wait))


def _standard(run: str) -> Columns:
    return standard_columns(run, config.ENGINE, clock.site_time())
