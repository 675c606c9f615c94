"""The lines of jobs: which lines there are, their first jobs, and which held jobs get in line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

import frappe
from frappe.query_builder.functions import Min
from pypika.queries import QueryBuilder
from pypika.terms import Parameter

from ..access import tenancy
from ..job import find, record
from ..job.job_rows import CandidateRow, DueRow
from ..lib import config
from ..status import JobStatus, LinePlace
from . import limits
from .turns import Line


class HeadRow(TypedDict):
    """A line of jobs: their common columns, and the rank of the first job."""

    in_line: int
    queue: str
    organization: str
    job_type: str
    priority: str
    rank: float


ADMITTED_AT_ONCE = 500  # held jobs of an organization in one call

LINE = ("queue", "organization", "job_type", "priority")
"""The columns that the jobs of one line have in common."""


def admit_held() -> list[DueRow]:
    """Put held jobs in line where their organizations' waiting caps have room again. Returns those jobs.

    Does not commit.
    """
    return admit_held_of([head for head in heads() if head["in_line"] == LinePlace.HELD])


def admit_held_of(held: Sequence[HeadRow]) -> list[DueRow]:
    """Put held jobs in line, of these lines of held jobs. Returns those that got in. Does not commit."""
    room = {}
    for name, limits_of in tenancy.limits_of(sorted({head["organization"] for head in held})).items():
        is_capped = limits_of.max_waiting and limits_of.on_queue_full == "Hold"
        room[name] = min(
            ADMITTED_AT_ONCE, limits.count_free_places(name, limits_of.max_waiting) if is_capped else ADMITTED_AT_ONCE
        )
    entered: list[DueRow] = []
    for head in sorted(held, key=lambda head: head["rank"]):
        organization = head["organization"]
        if room[organization] > 0:
            names = _held_query(head, room[organization]).run(pluck=True)
            rows = find.lock_waiting(names, None, LinePlace.HELD)
            room[organization] -= len(rows)
            entered += record.put_in_line(rows)
    return entered


def _held_query(head: HeadRow, limit: int) -> QueryBuilder:
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.name).where(job.in_line == LinePlace.HELD)
    for column, value in head.items():
        if column in LINE:
            query = query.where(job[column] == value)
    query = query.where(job.status == str(JobStatus.PENDING))  # somebody may have changed `in_line` by hand
    return query.orderby(job.admission_rank).limit(limit)


PLACE_FIELDS = ("name", "admission_rank")


class Place(NamedTuple):
    """The place of a job in its line."""

    name: str
    rank: float


def first_places(line: Line, limit: int) -> list[Place]:
    """The places of a line's first jobs. Reads without locks, and only the line's index."""
    text = _first_text(frappe.db.db_type, PLACE_FIELDS, limit)
    return [Place(*row) for row in frappe.db.sql(text, dict(zip(LINE, line.key, strict=True)))]


def first_jobs(line: Line, limit: int) -> list[CandidateRow]:
    """The rows of a line's first jobs, with CANDIDATE_FIELDS."""
    text = _first_text(frappe.db.db_type, find.CANDIDATE_FIELDS, limit)
    return frappe.db.sql(text, dict(zip(LINE, line.key, strict=True)), as_dict=True)


@lru_cache
def _first_text(_db_type: str, fields: tuple[str, ...], limit: int) -> str:
    return first_query([Parameter(f"%({column})s") for column in LINE], fields, limit).get_sql()


def first_query(key: Sequence[Any], fields: Sequence[str], limit: int) -> QueryBuilder:
    """The query for the first jobs of one line. `key`: a value for each column of LINE."""
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(*(job[field] for field in fields)).where(job.in_line == LinePlace.IN_LINE)
    for column, value in zip(LINE, key, strict=True):
        query = query.where(job[column] == value)
    return query.orderby(job.admission_rank).limit(limit)


def queues() -> list[str]:
    """The queues that have jobs in line or held jobs."""
    return sorted({queue for _state, queue in queues_query().run()})


def queues_query() -> QueryBuilder:
    """The query of `queues`."""
    # For a range, the server reads only each group's first entry. For `DISTINCT queue` it would read all entries.
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.in_line, job.queue).where(job.in_line >= LinePlace.IN_LINE)
    return query.groupby(job.in_line, job.queue)


def heads() -> list[HeadRow]:
    """The lines of all queues, also those of held jobs."""
    return frappe.db.sql(_heads_text(frappe.db.db_type), as_dict=True)


@lru_cache
def _heads_text(_db_type: str) -> str:
    return heads_query().get_sql()


def heads_query() -> QueryBuilder:
    """The query of `heads`. It covers all queues: for one queue, the server would read all of its entries."""
    job = frappe.qb.DocType(config.JOB)
    keys = (job.in_line, *(job[column] for column in LINE))
    query = frappe.qb.from_(job).select(*keys, Min(job.admission_rank).as_("rank"))
    return query.where(job.in_line >= LinePlace.IN_LINE).groupby(*keys)
