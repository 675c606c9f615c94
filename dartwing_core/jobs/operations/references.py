"""The documents that jobs are about: a rename is followed, and Desk asks for jobs only where there are some."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import frappe

from ..job import labels
from ..lib import best_effort, clock, config, sql
from ..lib.dml import update_query

if TYPE_CHECKING:
    from frappe.model.document import Document

AT_ONCE = 500
LOCK_WAIT = 2  # seconds: the request of the rename waits


def note_rename(document: Document, _method: str, old: str, new: str, _is_merged: bool = False) -> None:
    """Hook of Frappe's, behind each rename: after its commit, jobs about the document refer to its new name."""
    follow = partial(_follow, document.doctype, old, new, clock.site_time())
    frappe.db.after_commit.add(partial(best_effort.run, follow))


def add_to_boot(bootinfo: Any) -> None:
    """Hook of Frappe's, when Desk is loaded: name the DocTypes that the user may read and whose forms show jobs."""
    names = labels.referring_doctypes()
    readable = (bootinfo.get("user") or {}).get("can_read") or ()
    bootinfo["dartwing_core_referring_doctypes"] = [name for name in names if name in readable]


def _follow(doctype: str, old: str, new: str, renamed_at: datetime) -> None:
    """Let the jobs of that time refer to the new name. Nothing happens if the rename itself was undone meanwhile.

    Commits after each piece: open locks on rows of running jobs would keep their attempts from ending. A name that only
    changes its case is found again, so pages go by job.
    """
    if not frappe.db.exists(doctype, new):
        return
    job, last = frappe.qb.DocType(config.JOB), ""
    is_type = doctype == "DocType"
    concerned = job.reference_doctype == old if is_type else labels.is_about(job, doctype, old)
    found = frappe.qb.from_(job).select(job.name).where(concerned & (job.creation <= renamed_at))
    found = found.orderby(job.name).limit(AT_ONCE)
    values = {"reference_doctype" if is_type else "reference_name": new}
    while names := found.where(job.name > last).run(pluck=True):
        query = update_query(config.JOB, values).where(job.name.isin(names))
        best_effort.run(partial(sql.committed, partial(sql.run_update, query, LOCK_WAIT, True)))
        last = names[-1]
