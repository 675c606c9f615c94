"""Who is in line: jobs that may be queued as soon as there is room, and how others come to be.

A waiting job waits for its due time, for another job (`waits_for`), or for its turn (`in_line`), so that each question
of sweeper and admission is one range of an index, however many jobs wait for something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import frappe
from frappe.query_builder.functions import Count, Min
from pypika import Case

from . import backlog, clock, config, sql, store
from .status import WAITING, JobStatus

HEAD_START = {"Critical": 86_400, "High": 3_600, "Normal": 0, "Low": -3_600}
"""Seconds that a job of a priority is ahead of a Normal one due then: Low waits longer, but not for ever."""
LINE_FIELDS = (*backlog.DISPATCH_FIELDS, "job_type", "admission_rank")


def rank(due_epoch: float, priority: str) -> float:
    """Place in the line of an organization: the lowest is next."""
    return due_epoch - HEAD_START[priority]


def columns(due_epoch: float, priority: str, waits_for: str | None = None) -> dict[str, Any]:
    """The columns of a job that waits from now on."""
    return {
        **clock.due_columns(due_epoch),
        "admission_rank": rank(due_epoch, priority),
        "waits_for": waits_for,
        "in_line": int(not waits_for and due_epoch <= clock.now_epoch()),
    }


def line_up_due(limit: int) -> int:
    """Let jobs whose time has come line up, the longest due of each state first; returns how many. Does not commit."""
    return sum(line_up([job["name"] for job in backlog.due(status, clock.now_epoch(), limit)]) for status in WAITING)


def line_up(names: Sequence[str]) -> int:
    """Let jobs that wait for no other one line up, if their time has come; returns how many. Does not commit."""
    if not names:
        return 0
    job = frappe.qb.DocType(config.JOB)
    is_due = Case().when(job.due_epoch <= clock.now_epoch(), 1).else_(0)
    query = frappe.qb.update(job).set(job.in_line, is_due).set(job.waits_for, None).set(job.modified, clock.site_time())
    query = query.where(job.name.isin(list(names)) & (job.in_line == 0))
    query = query.where(job.status.isin([str(status) for status in WAITING]))
    return sql.run_update(query, store.LOCK_WAIT, by_name=True)


def queues() -> list[str]:
    """The queues for which jobs are in line."""
    job = frappe.qb.DocType(config.JOB)
    return frappe.qb.from_(job).select(job.queue).distinct().where(job.in_line == 1).run(pluck=True)


def heads(queue: str) -> list[dict]:
    """Who is in line: each organization and type, with the rank of its first job."""
    return heads_query(queue).run(as_dict=True)


def heads_query(queue: str):
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.organization, job.job_type, Min(job.admission_rank).as_("rank"))
    query = query.where((job.in_line == 1) & (job.queue == queue))
    return query.groupby(job.organization, job.job_type)


def line(queue: str, organization: str, job_type: str, limit: int) -> list[dict]:
    """The first jobs of an organization and type that are in line, the next first."""
    return line_query(queue, organization, job_type, limit).run(as_dict=True)


def line_query(queue: str, organization: str, job_type: str, limit: int):
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(*(job[field] for field in LINE_FIELDS)).where(job.in_line == 1)
    query = query.where((job.queue == queue) & (job.organization == organization) & (job.job_type == job_type))
    return query.orderby(job.admission_rank).limit(limit)


def in_service() -> list[dict]:
    """How many jobs are Queued or Running, by queue, organization, type and status: as the rows say, so none leaks."""
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.queue, job.organization, job.job_type, job.status, Count("*").as_("number"))
    query = query.where(job.status.isin([str(JobStatus.QUEUED), str(JobStatus.RUNNING)]))
    return query.groupby(job.queue, job.organization, job.job_type, job.status).run(as_dict=True)
