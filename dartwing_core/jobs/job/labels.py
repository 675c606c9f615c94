"""The tags of a job in one column, and the documents that jobs are about: Desk asks for jobs only where there are some.

A rename is followed after its commit, a piece at a time: open locks on running jobs would keep attempts from ending.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import frappe
from pypika.queries import Table
from pypika.terms import Criterion

from ..lib import clock, config, sql
from ..lib.sql import update_query
from ..lib.tables import JOB
from .find import LOCK_WAIT

if TYPE_CHECKING:
    from frappe.model.document import Document

SEPARATOR = "|"
AT_ONCE = 500
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


def is_about(doctype: str, name: str) -> Criterion:
    """Whether a job is about this document."""
    return (JOB.reference_doctype == doctype) & (JOB.reference_name == name)


def note_rename(document: Document, _method: str, old: str, new: str, _is_merged: bool = False) -> None:
    """Hook of Frappe's, behind each rename: after its commit, jobs about the document refer to its new name."""
    follow = partial(_follow, document.doctype, old, new, clock.site_time())
    frappe.db.after_commit.add(partial(sql.best_effort, follow))


def add_to_boot(bootinfo: Any) -> None:
    """Hook of Frappe's, when Desk is loaded: name the DocTypes that the user may read and whose forms show jobs."""
    query = frappe.qb.from_(JOB).select(JOB.reference_doctype).where(JOB.reference_doctype.isnotnull())
    readable = (bootinfo.get("user") or {}).get("can_read") or ()
    names = set(query.groupby(JOB.reference_doctype).run(pluck=True))
    bootinfo["dartwing_core_referring_doctypes"] = sorted(names.intersection(readable))


def _follow(doctype: str, old: str, new: str, renamed_at: datetime) -> None:
    """Let the jobs of that time refer to the new name. Nothing happens if the rename itself was undone meanwhile."""
    if not frappe.db.exists(doctype, new):
        return
    last, is_type = "", doctype == "DocType"
    concerned = JOB.reference_doctype == old if is_type else is_about(doctype, old)
    found = frappe.qb.from_(JOB).select(JOB.name).where(concerned & (JOB.creation <= renamed_at))
    found = found.orderby(JOB.name).limit(AT_ONCE)
    values = {"reference_doctype" if is_type else "reference_name": new}
    # A name that only changes its case is found again, so pages go by job.
    while names := found.where(JOB.name > last).run(pluck=True):
        query = update_query(config.JOB, values).where(JOB.name.isin(names))
        sql.best_effort(partial(sql.committed, partial(sql.run_update, query, LOCK_WAIT, True)))
        last = names[-1]
