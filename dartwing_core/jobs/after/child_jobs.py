"""Releases or ends jobs that wait for other jobs (`depends_on`), when one of those ends.

`waits_for` names a parent that is not over, the youngest first. When that one ends, the child goes on to the next
parent that is not over, or gets in line. So a settle touches only the children that wait for that very job.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ..job import dependencies, find, record
from ..job.find import RUN_ANYWAY
from ..lib import best_effort, clock, config, sql
from ..lib.rows import WaitingRow
from ..status import LIVE, WAITING, JobStatus

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
            done = best_effort.run(partial(sql.committed, some)) or Released()
            released.add(done)
            if not done.number:
                break
    return released


def _release_some(parent: str, status: str | None, limit: int) -> Released:
    """Release or end the first `limit` jobs that wait for one job, which is over or gone (status None)."""
    released = Released()
    children = find.children(parent, limit)
    if status != JobStatus.COMPLETED:
        released.ended = _end([job for job in children if job["on_parent_failure"] != RUN_ANYWAY], parent, status)
        children = [job for job in children if job["on_parent_failure"] == RUN_ANYWAY]
    next_parents = {job["name"]: job["next_parent"] for job in children}
    going_on, now = find.lock_waiting(list(next_parents), parent), clock.now_epoch()
    record.set_parents({job["name"]: next_parents[job["name"]] for job in going_on}, WAITING)
    free = [job for job in going_on if not next_parents[job["name"]]]
    released.number = len(going_on) + len(released.ended)
    record.put_in_line([job for job in free if job["due_epoch"] <= now])
    released.next_parents = {name for name in next_parents.values() if name}
    return released


def _end_others(failed: Mapping[str, str | None], limit: int) -> Released:
    """End jobs that depend on failed ones but wait for others. Those may take long, and the wait would be in vain."""
    jobs = {job["name"]: job for job in find.other_children(sorted(failed), limit)}.values()  # each once
    ended: list[WaitingRow] = []
    for parent in sorted({job["parent"] for job in jobs}):
        ended += _end([job for job in jobs if job["parent"] == parent], parent, failed[parent])
    return Released(len(ended), ended)


def _end(jobs: Sequence[WaitingRow], parent: str, status: str | None) -> list[WaitingRow]:
    """End the jobs whose rows are not locked, each by its own policy, and log the reason."""
    message = f"The job it depends on, {parent}, {ENDS[status]}"
    to_cancel = [job for job in jobs if job["on_parent_failure"] == dependencies.CANCEL]
    others = [job for job in jobs if job["on_parent_failure"] != dependencies.CANCEL]
    ended = record.end_all(to_cancel, JobStatus.CANCELED, message, config.ENGINE)
    return [*ended, *record.end_all(others, JobStatus.DEAD_LETTER, message, config.ENGINE)]
