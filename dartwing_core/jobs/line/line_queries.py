"""The lines of jobs: which lines there are, their first jobs, and which held jobs get in line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import frappe

from ..access import tenancy
from ..job import find, record
from ..job.job_rows import WaitingRow
from ..lib import config
from ..lib.row_types import RungJob
from ..status import LinePlace
from . import limits
from .turns import Line

ADMITTED_AT_ONCE = 500  # held jobs of an organization in one call
LINE = ("queue", "organization", "job_type", "priority")
"""The columns that the jobs of one line have in common."""
_KEY = ", ".join(LINE)
_HEADS = (
    f"SELECT in_line, {_KEY}, MIN(admission_rank) AS `rank` FROM `tab{config.JOB}`"
    f" WHERE in_line >= {LinePlace.IN_LINE:d} GROUP BY in_line, {_KEY}"
)
_OF_LINE = " AND ".join(f"{column} = %({column})s" for column in LINE)


class Place(NamedTuple):
    """The place of a job in its line."""

    name: str
    rank: float


def heads() -> dict[int, list[Line]]:
    """The lines of all queues, and those of held jobs. For one queue, the server would read all of its entries."""
    found: dict[int, list[Line]] = {LinePlace.IN_LINE: [], LinePlace.HELD: []}
    for place, *line in frappe.db.sql(_HEADS):
        found[place].append(Line(*line))
    return found


def queues() -> list[str]:
    """The queues that have jobs in line or held jobs."""
    # For a range, the server reads only each group's first entry. For `DISTINCT queue` it would read all entries.
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.queue).where(job.in_line >= LinePlace.IN_LINE)
    return sorted(set(query.groupby(job.in_line, job.queue).run(pluck=True)))


def first_places(line: Line, limit: int) -> list[Place]:
    """The places of a line's first jobs. Reads without locks, and only the line's index."""
    rows = _first("name, admission_rank AS `rank`", line, limit)
    return [Place(**row) for row in rows]


def first_jobs(line: Line, limit: int) -> list[RungJob]:
    """The line's first jobs, with the columns for waking workers."""
    return _first("name, attempt, queue, timeout_seconds", line, limit)


def _first(columns: str, line: Line, limit: int, place: LinePlace = LinePlace.IN_LINE) -> list[Any]:
    text = f"SELECT {columns} FROM `tab{config.JOB}` WHERE in_line = {place:d} AND {_OF_LINE}"
    key = dict(zip(LINE, line.key, strict=True))
    return frappe.db.sql(f"{text} ORDER BY admission_rank LIMIT {limit:d}", key, as_dict=True)


# Held jobs ------------------------------------------------------------------------------------------------------------


def admit(held: Sequence[Line]) -> list[WaitingRow]:
    """Put jobs of these lines of held jobs in line, where their organizations' waiting caps have room again.

    Returns those that got in. Does not commit.
    """
    room = {}
    for name, limits_of in tenancy.limits_of(sorted({line.organization for line in held})).items():
        is_capped = limits_of.max_waiting and limits_of.on_queue_full == "Hold"
        free = limits.count_free_places(name, limits_of.max_waiting) if is_capped else ADMITTED_AT_ONCE
        room[name] = min(ADMITTED_AT_ONCE, free)
    entered: list[WaitingRow] = []
    for line in sorted(held, key=lambda line: line.rank):
        if (left := room[line.organization]) > 0:
            names = [row["name"] for row in _first("name", line, left, LinePlace.HELD)]
            rows = find.lock_waiting(names, None, LinePlace.HELD)
            room[line.organization] -= len(rows)
            entered += record.put_in_line(rows)
    return entered
