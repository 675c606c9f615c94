"""Repairs missed steps: the promise that a committed job is never lost rests here.

Works in bounded batches, the longest due first. Two sweepers at once are harmless: every move is a guarded UPDATE.
Commits, by SQL alone. Runs only in workers, Frappe's scheduler and the command line. `agent` decides when.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..after import cancel, follow_up
from ..job import find, record
from ..lib import config, sql
from ..line import queue_view
from ..read import waiting_reason
from ..rq import redis_queue
from ..schedules import schedule_runs
from . import rescue

SEEN_PARENTS = "seen-parents"
PARENTS_PER_JOB = 4
"""So many parents are read in a sweep for each job that it may move."""


@dataclass(slots=True)
class Report:
    """Counts of one sweep."""

    rescued: int = 0
    stopped: int = 0
    orphans: int = 0
    queued: int = 0
    """Due jobs that were put in line."""
    rung: int = 0
    """Entries that were made for jobs in line."""
    batches: int = 0
    scheduled: int = 0


def sweep() -> Report:
    """Make one pass over all due work: also the scheduler's entry of each minute.

    A step that fails is logged and does not hold up the others. Where the site is switched off, nothing is done.
    """
    if is_off():
        return Report()
    sql.commit()  # a fresh snapshot; a rollback could cost another app's callback its work
    report, batch = Report(), config.settings().sweep_batch
    report.rescued, report.stopped = sql.best_effort(rescue.sweep) or (0, 0)
    report.orphans = sql.best_effort(lambda: release_children(batch)) or 0
    report.batches = sql.best_effort(cancel.sweep_batches) or 0
    report.scheduled = sql.best_effort(lambda: schedule_runs.sweep(batch)) or 0
    report.queued = len(sql.best_effort(lambda: sql.committed(lambda: record.enter_due(batch))) or ())
    report.rung = sql.best_effort(queue_view.ring_for_line) or 0
    sql.best_effort(waiting_reason.find_silence)  # which it logs: this may be a sweep by Frappe's own tick alone
    sql.commit()  # the next user of this connection gets a fresh snapshot too
    return report


def is_off() -> bool:
    """Whether the site is maintained, switched off, or a copy, which is logged."""
    if stop := waiting_reason.find_stop_of_site():
        waiting_reason.log_hourly("stop", stop.words)
    return bool(stop)


def release_children(limit: int) -> int:
    """Release jobs whose parent has completed, and end those whose parent never will. Returns how many were ended.

    The follow-up of a settle did not get that far, or a job was submitted while its parent settled. Each sweep reads
    the next parents, so that children of unfinished ones do not hide the others.
    """
    window = limit * PARENTS_PER_JOB
    after = redis_queue.place(SEEN_PARENTS)
    parents = find.parents(after, window)
    released = follow_up.release_children(parents, limit)
    if released.number < limit:  # else these may have more children
        after = parents[-1] if len(parents) == window else ""
    redis_queue.keep_place(SEEN_PARENTS, after)
    return len(released.ended)
