"""Refuses rows about rows about our documents: a comment on a task about a schedule, a tag of a job's file.

Frappe knows nothing of the document behind such a row. So the row gets out by many doors: notices, timelines, titles
of links, counts, and the deletion of the row between. Each door can be closed, but nobody knows them all. (15, 16)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES

from . import by_request, personal_rows
from .references import STEPS, is_about_ours

if TYPE_CHECKING:
    from frappe.model.document import Document

BY_HAND = frozenset({"Comment", "Communication", "ToDo", "Tag Link", "DocShare", "Discussion Topic", "File"})
"""DocTypes of which users make rows. Frappe makes the other ones of REFERENCES by itself."""
COMMENTS_BY_HAND = ("Comment", "Like")


def check_further(doc: Document, _method: str | None = None) -> None:
    """`validate` of REFERENCES: refuse what a user adds to a row about ours, or moves to a document of ours.

    Rows about the moved one would come along. What Frappe adds by itself is added to the document of ours.
    """
    if not by_request.is_by_request() or not _is_by_hand(doc):
        return
    fields = REFERENCES[doc.doctype]
    doctype, name = (doc.get(field) for field in fields)
    is_direct = doctype in TENANT_DOCTYPES
    if not (is_direct or is_row_about_ours(doctype, name)):
        return
    if not doc.is_new() and frappe.db.get_value(doc.doctype, doc.name, fields) == (doctype, name):
        return
    if not is_direct and not _is_moved_up(doc):
        throw_further(doctype)
    if not doc.is_new() and doc.doctype in STEPS:
        text = _("This {0} can't be moved to another document. Make a new one there.")
        frappe.throw(text.format(_(doc.doctype)), frappe.PermissionError)


def check_pictures(doc: Document, _method: str | None = None) -> None:
    """`after_insert` of tasks and mails: refuse one about ours with pictures, which Frappe has stored beside it."""
    attached = {"attached_to_doctype": doc.doctype, "attached_to_name": doc.name}
    if by_request.is_by_request() and doc.flags.is_about_ours and frappe.db.exists("File", attached):
        throw_further(doc.doctype)


def _is_moved_up(doc: Document) -> bool:
    """Let a Notification's mail, or a rule's task, about a row about ours be about the document itself."""
    is_automatic = doc.get("communication_type") == "Automated Message" or doc.get("assignment_rule")
    kind, name = REFERENCES[doc.doctype]
    above = frappe.db.get_value(doc.get(kind), doc.get(name), REFERENCES[doc.get(kind)]) if is_automatic else None
    if not above or above[0] not in TENANT_DOCTYPES:
        return False
    doc.update(dict(zip((kind, name), above, strict=True)))
    return True


def is_row_about_ours(doctype: Any, name: Any) -> bool:
    """Whether this is a row of Frappe's about a document of ours, or a personal row about our DocTypes."""
    return is_about_ours(doctype, name) or personal_rows.is_about_ours(doctype, name)


def throw_further(doctype: str) -> None:
    """Refuse a row about a row of this DocType that is about ours."""
    text = _("Nothing can be added to a {0} about jobs, schedules or organizations: no comment, no file, no picture.")
    frappe.throw(text.format(_(doctype)), frappe.PermissionError)


def _is_by_hand(doc: Document) -> bool:
    return doc.doctype in BY_HAND and (doc.doctype != "Comment" or doc.comment_type in COMMENTS_BY_HAND)
