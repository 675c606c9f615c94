"""The lines of jobs: which there are, who is in front, and who of the held jobs gets in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

import frappe
from frappe.query_builder.functions import Min
from pypika.queries import QueryBuilder
from pypika.terms import Parameter

from ..access import tenancy
from ..base import config
from ..status import JobStatus
from ..store import backlog, waiting
from ..store.job_rows import DispatchRow, DueRow
from ..store.waiting import HELD, IN_LINE
from . import limits
from .selection import Line


class HeadRow(TypedDict):
    """A line of jobs: what they have in common, and the rank of the first."""

    in_line: int
    queue: str
    organization: str
    job_type: str
    priority: str
    rank: float


ADMITTED_AT_ONCE = 500  # held jobs of an organization at once

LINE = ("queue", "organization", "job_type", "priority")
"""What the jobs of one line have in common."""


def admit_held() -> list[DueRow]:
    """Let held jobs get in line where the waiting caps of their organizations have room again; those that did.

    Does not commit.
    """
    return admit_held_of([head for head in heads() if head["in_line"] == HELD])


def admit_held_of(held: Sequence[HeadRow]) -> list[DueRow]:
    """The same, of these heads of lines of held jobs."""
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
            rows = waiting.free(names, None, HELD)
            room[organization] -= len(rows)
            entered += waiting.enter_locked(rows)
    return entered


def _held_query(head: HeadRow, limit: int) -> QueryBuilder:
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.name).where(job.in_line == HELD)
    for column, value in head.items():
        if column in LINE:
            query = query.where(job[column] == value)
    query = query.where(job.status == str(JobStatus.PENDING))  # whatever somebody wrote by hand
    return query.orderby(job.admission_rank).limit(limit)


PLACE_FIELDS = ("name", "admission_rank")


class Place(NamedTuple):
    """The place of a job in its line."""

    name: str
    rank: float


def first_places(line: Line, limit: int) -> list[Place]:
    """The first jobs of a line. Reads without locks, and the line's index alone."""
    text = _first_text(frappe.db.db_type, PLACE_FIELDS, limit)
    return [Place(*row) for row in frappe.db.sql(text, dict(zip(LINE, line.key, strict=True)))]


def first_jobs(line: Line, limit: int) -> list[DispatchRow]:
    """The same jobs, with DISPATCH_FIELDS."""
    text = _first_text(frappe.db.db_type, backlog.DISPATCH_FIELDS, limit)
    return frappe.db.sql(text, dict(zip(LINE, line.key, strict=True)), as_dict=True)


@lru_cache
def _first_text(_db_type: str, fields: tuple[str, ...], limit: int) -> str:
    return first_query([Parameter(f"%({column})s") for column in LINE], fields, limit).get_sql()


def first_query(key: Sequence[Any], fields: Sequence[str], limit: int) -> QueryBuilder:
    """The query for the first jobs of one line; `key`: a value for each column of LINE."""
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(*(job[field] for field in fields)).where(job.in_line == IN_LINE)
    for column, value in zip(LINE, key, strict=True):
        query = query.where(job[column] == value)
    return query.orderby(job.admission_rank).limit(limit)


def queues() -> list[str]:
    """The queues for which jobs are in line, or held."""
    return sorted({queue for _state, queue in queues_query().run()})


def queues_query() -> QueryBuilder:
    """The query of `queues`."""
    # Of a range the server reads the groups' first entries alone; of `DISTINCT queue` for `in_line = 1` it reads all.
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.in_line, job.queue).where(job.in_line >= IN_LINE)
    return query.groupby(job.in_line, job.queue)


def heads() -> list[HeadRow]:
    """The lines that there are, of all queues, also of held jobs."""
    return frappe.db.sql(_heads_text(frappe.db.db_type), as_dict=True)


@lru_cache
def _heads_text(_db_type: str) -> str:
    return heads_query().get_sql()


def heads_query() -> QueryBuilder:
    """Of all queues: asked for one queue, the server would read all of its entries."""
    job = frappe.qb.DocType(config.JOB)
    keys = (job.in_line, *(job[column] for column in LINE))
    query = frappe.qb.from_(job).select(*keys, Min(job.admission_rank).as_("rank"))
    return query.where(job.in_line >= IN_LINE).groupby(*keys)
