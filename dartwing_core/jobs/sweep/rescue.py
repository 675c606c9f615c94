"""Ends attempts whose worker is lost, and those that were asked to stop and did not.

The lease decides, never RQ's word alone: RQ may take a dead worker for alive, and the reverse. The job's row moves on
first, which fences the attempt off (invariant I4). Then its connection is ended, whatever state it is in.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, cast

from ..after import follow_up
from ..errors import JobCanceledError, JobTimeoutError
from ..job import find, history, job_files, runs
from ..job.record import Job
from ..job.runs import Outcome
from ..lib import clock, config, ids, server_errors, sql
from ..lib.config import RetryPolicy
from ..lib.rows import DoubtfulRow, JobRow, changed
from ..line import claim
from ..rq import redis_queue
from ..run import heartbeat, outcome
from ..status import FINISHED, JobStatus

ATTEMPTS = 500  # read at once
LOCK_WAIT = 1  # second


class Ended(NamedTuple):
    """How many attempts one pass has ended: since their worker was lost, or since they did not stop by themselves."""

    rescued: int
    stopped: int


def sweep() -> Ended:
    """End attempts whose lease is over, and those that were asked to stop, or reached their time limit, long ago.

    A handler may swallow RQ's exception. RQ itself kills a process only when its entry's time is up. That may be longer
    than the limit of a later job of the process.
    """
    rescued = stopped = 0
    for job in find.doubtful(ATTEMPTS):
        if lease_end(job) < job["database_epoch"]:
            rescued += bool(sql.best_effort(partial(_rescue, job)))
        elif end := _late_end(job):
            stopped += bool(sql.best_effort(partial(_stop, job, end)))
    return Ended(rescued, stopped)


def _rescue(job: DoubtfulRow) -> bool:
    if job["cancel_requested"]:
        return _stop(job, outcome.canceled(job["canceled_by"], job["cancel_reason"]))
    ask = partial(redis_queue.cause_of_end, job["rq_job_id"] or "")
    cause = sql.best_effort(partial(redis_queue.if_there, ask))  # a note of RQ's that can't be read holds up no rescue
    end = outcome.lost(job, _outlived_its_limit(job), _policy(job), cause)
    try:
        return _end_and_tell(job, end)
    except JobCanceledError:  # asked to stop since it was read
        request = runs.cancel_request(ids.run_name(job["name"], job["attempt"]))
        return _rescue(changed(job, {"cancel_requested": 1, **(request or {})}))


def _late_end(job: DoubtfulRow) -> Outcome | None:
    """The end of an attempt that is alive but should have ended. None if it still has time."""
    settings = config.settings()
    late = job["database_epoch"] - heartbeat.cancel_grace(settings)
    if job["cancel_requested"] and job["cancel_requested_epoch"] < late:
        return outcome.canceled(job["canceled_by"], job["cancel_reason"], by_force=True)
    if age(job) > job["timeout_seconds"] + find.OVERTIME:
        return outcome.failure(job, JobTimeoutError(), _policy(job))
    return None


def _policy(job: DoubtfulRow) -> RetryPolicy:
    return config.retry_policy(config.job_type(job["job_type"]), config.settings())


def _stop(job: DoubtfulRow, end: Outcome) -> bool:
    """Have RQ stop the process, then end the attempt. A sweeper that dies in between leaves both to the next sweep.

    Locks the attempt's row meanwhile: so the process can't settle and go on to another job.
    """
    sql.commit()  # a fresh snapshot
    has_lock = runs.lock_unended(ids.run_name(job["name"], job["attempt"]))
    if not (has_lock or _has_waited(job)) or not _is_running(job):
        sql.rollback()
        return False
    is_own = job["worker"] == claim.worker_name()  # the stand-in of a busy worker stops its own process, so last
    has_ended = is_own and _end_and_tell(job, end, by_force=True)
    if job["rq_job_id"]:
        sql.best_effort(partial(redis_queue.stop, job["rq_job_id"]))  # RQ may be away
    return has_ended if is_own else _end_and_tell(job, end, by_force=True)


def _is_running(job: DoubtfulRow) -> bool:
    """Whether this attempt is running, as this transaction sees it."""
    now = find.load(job["name"], "status", "attempt")
    return now == {"status": str(JobStatus.RUNNING), "attempt": job["attempt"]}


def lease_end(job: DoubtfulRow) -> float:
    """The end of the lease, by the database's clock: from the heartbeat, or from the start before the first beat."""
    return job["lease_expires_epoch"] or (job["started_epoch"] or 0) + config.settings().lease_seconds


def age(job: DoubtfulRow) -> float:
    """Seconds since the attempt began."""
    return job["database_epoch"] - (job["started_epoch"] or 0)


def _outlived_its_limit(job: DoubtfulRow) -> bool:
    """Whether the attempt was still alive when its time was up, by its last beat or its connection.

    A late sweep alone does not count: a worker that dies early costs no retry.
    """
    limit, last_beat = job["timeout_seconds"], lease_end(job) - config.settings().lease_seconds
    if last_beat - (job["started_epoch"] or 0) > limit:
        return True
    return age(job) > limit and sql.is_connected(job["connection_id"], age(job))


def _end_and_tell(job: DoubtfulRow, end: Outcome, *, by_force: bool = False) -> bool:
    has_ended = _end(job, end, by_force)
    if has_ended:
        sql.best_effort(partial(follow_up.record_end, job, end, config.job_type(job["job_type"])))
    if has_ended and end.status in FINISHED:
        sql.best_effort(partial(follow_up.release_and_close, [job["name"]], [job["parent_batch"]]))
    if has_ended:
        sql.best_effort(partial(job_files.drop, job["name"], job["attempt"]))
    return has_ended


def _end(job: DoubtfulRow, end: Outcome, by_force: bool) -> bool:
    """Settle an attempt from outside. False if it has just settled itself, or if somebody is canceling it.

    Raises JobCanceledError if the attempt was asked to stop and `end` is not a cancel.
    """
    try:
        has_moved = sql.committed(partial(_settle, job, end), tries=1)
    except Exception as error:
        if not server_errors.is_conflict(error):
            raise
        sql.commit()  # a fresh snapshot
        if not (by_force or _has_waited(job)) or not _is_running(job):
            return False  # its own settle or a cancel holds the row; or its connection is another attempt's by now
        # Its own transaction may lock the row, and its connection outlive its machine. Its lease is over, so end it.
        sql.kill_connection(job["connection_id"], age(job))
        return sql.committed(partial(_settle, job, end))
    if has_moved:
        sql.kill_connection(job["connection_id"], age(job))
    return has_moved


def _has_waited(job: DoubtfulRow) -> bool:
    """Whether the lease has been over for so long that no settle can be under way."""
    return job["database_epoch"] > lease_end(job) + config.settings().lease_seconds / 4


def _settle(job: DoubtfulRow, end: Outcome) -> bool:
    run, is_canceled = ids.run_name(job["name"], job["attempt"]), end.status == JobStatus.CANCELED
    values = {
        "background_job": job["name"],
        "attempt": job["attempt"],
        "started_at": job["started_at"],
        "outcome": str(end.of_attempt),
        "ended_at": clock.site_time(),
        "duration": max(0.0, age(job)),
        "error_message": end.error,
        "lease_expires_epoch": 0,
        **outcome.circuit_sample(job, end, config.job_type(job["job_type"])),
    }
    runs.settle(run, values, is_canceled, LOCK_WAIT)
    event = Job(cast(JobRow, job)).end(end, worker=job["worker"], lock_wait=LOCK_WAIT)
    if not event:
        sql.rollback()  # it has settled itself: what was just written to its row is not to stay
        return False
    history.write([event])
    return True
