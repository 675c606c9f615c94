"""The tags of a job in one column, and the documents that jobs are about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

import frappe
from pypika.queries import Table
from pypika.terms import Criterion

from ..lib import config
from ..rq import redis_queue
from . import events

SEPARATOR = "|"
REFERRING = "referring"
ESCAPED = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


def joined(tags: Sequence[str]) -> str | None:
    """The tags as stored: `|first|second|`. None without tags."""
    return f"{SEPARATOR}{SEPARATOR.join(tags)}{SEPARATOR}" if tags else None


def split(column: str | None) -> list[str]:
    """The tags of a job."""
    return column.strip(SEPARATOR).split(SEPARATOR) if column else []


def has_tag(job: Table, tag: str) -> Criterion:
    """Whether a job has this tag."""
    return job.job_tags.like(f"%{SEPARATOR}{tag.translate(ESCAPED)}{SEPARATOR}%")


def is_about(job: Table, doctype: str, name: str) -> Criterion:
    """Whether a job is about this document."""
    return (job.reference_doctype == doctype) & (job.reference_name == name)


def referring_doctypes() -> list[str]:
    """The DocTypes of documents that jobs are about, as Redis knows them. Issues no statement."""
    known: Any = redis_queue.if_there(lambda: redis_queue.client().smembers(redis_queue.site_key(REFERRING)))
    return sorted(name.decode() for name in known or ())


def remember_referring(doctypes: Iterable[str | None]) -> None:
    """Let `referring_doctypes` know these after the commit."""
    if known := {*doctypes} - {None}:
        events.add_to_pipeline(partial(_remember, known))


def recall_referring() -> None:
    """Tell Redis, which may have lost them. Reads the ends of an index's ranges."""
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.reference_doctype).where(job.reference_doctype.isnotnull())
    _remember(set(query.groupby(job.reference_doctype).run(pluck=True)), redis_queue.client())


def _remember(doctypes: Collection[str | None], client: Any) -> None:
    if doctypes:
        client.sadd(redis_queue.site_key(REFERRING), *doctypes)
