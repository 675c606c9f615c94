"""Background Job Run: one row for each attempt, and the only place for what changes while it runs (invariant I7).

The row of a short attempt is inserted when it ends. A longer one gets its row by its heartbeat or by a request to stop,
whichever comes first. Until then its lease counts from the start noted on the job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

import frappe
from frappe import _
from pypika import Order

from ..access import content
from ..errors import JobCanceledError
from ..lib import clock, config, ids, server_errors, sql
from ..lib.rows import AttemptKey, Columns, fields_of
from ..lib.sql import STANDARD, standard_columns
from ..lib.tables import RUN
from ..lib.texts import TEXT_LENGTH
from ..status import JobStatus
from .find import LOCK_WAIT


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ends, and all that is written with that. `run/outcome` decides it, `record.Job.end` writes it."""

    status: JobStatus
    message: str
    """For the history."""
    error: str | None = None
    error_type: str | None = None
    """Transient or Permanent. None if it did not fail."""
    traceback: str | None = None
    is_transient: bool = False
    """Whether it failed by an error that may pass or by its time limit, and not by its worker's death."""
    has_timed_out: bool = False
    crash_count: int = 0
    """How many workers in a row have died with the job."""
    unfound_since: float = 0
    """The first of the attempts in a row that have not found the job's code, in seconds since 1970. 0 for none."""
    retry_count: int | None = None
    """The number of the retry to come. None if this end costs none."""
    due: float | None = None
    """When the job is tried again, in seconds since 1970. None if it is not."""
    keeps_place: bool = False
    """Whether the job has its old place in line, since it is not to blame."""
    result: str | None = None
    output_reference: str | None = None
    canceled_by: str | None = None
    cancel_reason: str | None = None

    @property
    def of_attempt(self) -> JobStatus:
        """The attempt's own end. One that ran out of time is Timed Out, also the last of a dead letter."""
        return JobStatus.TIMED_OUT if self.has_timed_out else self.status


TRACEBACK_LENGTH = 50_000


def write(run: str, values: Columns, lock_wait: int | None = None, *, unless_canceled: bool = False) -> bool:
    """Write columns of an attempt that may have a row. Waits at most `lock_wait` seconds for its lock.

    `unless_canceled`: changes no row with a request to stop, and returns False then. Issues one statement: UPDATEs that
    find no row lock gaps, and two of them deadlock with their INSERTs.
    """
    row = standard_columns(run, config.ENGINE, clock.site_time()) | content.sealed(values)
    return bool(sql.execute_as_of_now(_write_text(tuple(row), unless_canceled), tuple(row.values()), lock_wait))


@lru_cache
def _write_text(columns: tuple[str, ...], unless_canceled: bool) -> str:
    """The statement of `write`. Kept, since each settle issues one."""
    new = "IF(cancel_requested, `{0}`, VALUES(`{0}`))" if unless_canceled else "VALUES(`{0}`)"
    changing = [column for column in columns if column not in STANDARD or column == "modified"]
    updates = [f"`{column}` = {new.format(column)}" for column in changing]
    return (
        f"INSERT INTO `tab{config.RUN}` ({', '.join(f'`{column}`' for column in columns)})"
        f" VALUES ({', '.join(['%s'] * len(columns))}) ON DUPLICATE KEY UPDATE {', '.join(updates)}"
    )


def settle(run: str, values: Columns, is_canceled: bool, lock_wait: int) -> None:
    """Write an attempt's end, in the transaction of its settle.

    Raises JobCanceledError if the attempt was asked to stop and this end is not a cancel. A later request waits for the
    settle's commit, and finds that the attempt is over.
    """
    if not write(run, values, lock_wait, unless_canceled=not is_canceled) and not is_canceled:
        raise JobCanceledError(_("The job was canceled."))


def request_cancel(job: str, attempt: int, user: str, reason: str | None) -> bool:
    """Ask a running attempt to stop. False, without a wait, if another transaction keeps its row locked.

    Its heartbeat reads the request, and its settle waits for the end of this transaction.
    """
    values = {
        "cancel_requested": 1,
        "canceled_by": user,
        "cancel_reason": (reason or "")[:TEXT_LENGTH] or None,
        "cancel_requested_epoch": frappe.db.sql("SELECT UNIX_TIMESTAMP()")[0][0],
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
    query = frappe.qb.from_(RUN).select(RUN.name).where((RUN.name == run) & RUN.outcome.isnull())
    return bool(sql.run_locking_read(query.for_update(skip_locked=True)))


def cancel_request(name: str, doctype: str = config.RUN) -> CancelRequest | None:
    """The request to stop this attempt (or batch), with user and reason. None if there is none."""
    fields = content.columns(fields_of(CancelRequest))
    row: CancelRequest | None = frappe.db.get_value(doctype, name, fields, as_dict=True)
    return content.shown(row) if row and row["cancel_requested"] else None


def latest_state(job: str) -> str | None:
    """The last checkpoint of the job's attempts, as JSON."""
    query = frappe.qb.from_(RUN).select(RUN.sealed_state)
    query = query.where((RUN.background_job == job) & RUN.sealed_state.isnotnull())
    found = query.orderby(RUN.attempt, order=Order.desc).limit(1).run(as_dict=True)
    return content.opened(found[0])["state"] if found else None


def keep_parameters(job: str, attempt: int, parameters: str) -> None:
    """Note on the last attempt of a series the parameters that it has run with, without secrets."""
    query = sql.update_query(config.RUN, content.sealed({"input_parameters": parameters}))
    sql.run_update(query.where(RUN.name == ids.run_name(job, attempt)), LOCK_WAIT, by_name=True)


def forget_state(job: str) -> None:
    """Drop the checkpoints of a job's attempts, by name: over the index, the gaps beside them would be locked."""
    if names := sql.names_of(config.RUN, "background_job", [job]):
        query = frappe.qb.update(RUN).set(RUN.sealed_state, None).where(RUN.name.isin(sorted(names)))
        sql.run_update(query, by_name=True)


def live_progress(jobs: Sequence[AttemptKey]) -> dict[str, RunRow]:
    """The live columns of running attempts, by job, in one statement. Leaves out those too young to have a row."""
    names = [ids.run_name(job["name"], job["attempt"]) for job in jobs]
    if not names:
        return {}
    columns = (RUN.background_job, RUN.progress, RUN.progress_message, RUN.steps, RUN.cancel_requested)
    query = frappe.qb.from_(RUN).select(*columns).where(RUN.name.isin(names))
    return {row.background_job: row for row in query.run(as_dict=True)}
