"""The documents that jobs are about: a rename is followed, and Desk asks for jobs only where there are some."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import frappe

from ..base import config
from ..db import best_effort, sql
from ..db.rows import update_query
from ..store import labels

if TYPE_CHECKING:
    from frappe.model.document import Document

AT_ONCE = 500


def note_rename(document: Document, _method: str, old: str, new: str, _is_merged: bool = False) -> None:
    """Hook of Frappe's, behind each rename: after its commit, jobs about the document refer to its new name."""
    frappe.db.after_commit.add(partial(best_effort.run, partial(_follow, document.doctype, old, new)))


def add_to_boot(bootinfo: Any) -> None:
    """Hook of Frappe's, when Desk is loaded: name the DocTypes that the user may read and whose forms show jobs."""
    try:
        names = labels.referring_doctypes()
    except Exception as error:
        if not (frappe.db.is_missing_column(error) or frappe.db.is_table_missing(error)):
            raise
        names = []  # the app is new, and its migration is still to come: Desk opens all the same
    readable = (bootinfo.get("user") or {}).get("can_read") or ()
    bootinfo["dartwing_core_referring_doctypes"] = [name for name in names if name in readable]


def _follow(doctype: str, old: str, new: str) -> None:
    """Commits after each piece: open locks on rows of running jobs would keep their attempts from ending.

    Each job is changed once. A name that only changes its case is found again, as MariaDB compares names.
    """
    job, last = frappe.qb.DocType(config.JOB), ""
    is_type = doctype == "DocType"
    concerned = job.reference_doctype == old if is_type else labels.is_about(job, doctype, old)
    found = frappe.qb.from_(job).select(job.name).where(concerned).orderby(job.name).limit(AT_ONCE)
    column = "reference_doctype" if is_type else "reference_name"
    while names := found.where(job.name > last).run(pluck=True):
        sql.committed(partial(_set, names, column, new))
        last = names[-1]


def _set(names: Sequence[str], column: str, value: str) -> None:
    job = frappe.qb.DocType(config.JOB)
    update_query(config.JOB, {column: value}).where(job.name.isin(list(names))).run()
