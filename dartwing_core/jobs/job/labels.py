"""The tags of a job in one column, and the documents that jobs are about."""

from __future__ import annotations

from collections.abc import Sequence

import frappe
from pypika.queries import Table
from pypika.terms import Criterion

from ..lib import config

SEPARATOR = "|"
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
    """The DocTypes of documents that jobs are about. Reads the ends of an index's ranges."""
    job = frappe.qb.DocType(config.JOB)
    query = frappe.qb.from_(job).select(job.reference_doctype).where(job.reference_doctype.isnotnull())
    return sorted(query.groupby(job.reference_doctype).run(pluck=True))
