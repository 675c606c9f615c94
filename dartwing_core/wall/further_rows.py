"""Refuses rows about rows about our documents: a comment on a task about a schedule, a tag of a job's file.

Frappe knows nothing of the document behind such a row. So the row gets out by many doors: notices, timelines, titles
of links, counts, and the deletion of the row between. Each door can be closed, but nobody knows them all. (15, 16)
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES

from . import by_request, personal_rows, references, spelled_names
from .doctypes import DELETED, PERSONAL, row_doctype, tenant_doctype
from .references import STEPS

if TYPE_CHECKING:
    from frappe.model.document import Document

BY_HAND = frozenset({"Comment", "Communication", "ToDo", "Tag Link", "DocShare", "Discussion Topic", "File"})
"""DocTypes of which users make rows. Frappe makes the other ones of REFERENCES by itself."""
COMMENTS_BY_HAND = ("Comment", "Like")


def hidden_rows(doctype: Any, names: Collection[str]) -> set[str] | None:
    """Those of these rows of Frappe's that the user may not see. None for other DocTypes than ROW_DOCTYPES.

    DocTypes and names are found in any spelling.
    """
    kind = row_doctype(doctype)
    if kind in REFERENCES:
        return references.hidden_of(kind, names)
    if kind in PERSONAL:
        return personal_rows.hidden_of(kind, names)
    if kind != DELETED:
        return None
    return set() if visibility.viewer().sees_everything else spelled_names.leading_to(names, _deleted_ours)


def _deleted_ours(names: list[str]) -> list[str]:
    """Those of these rows of DELETED that hold documents of ours."""
    return frappe.get_all(DELETED, {"name": ["in", names], "deleted_doctype": ["in", TENANT_DOCTYPES]}, pluck="name")


def check_further(doc: Document, _method: str | None = None) -> None:
    """`validate` of REFERENCES, after `check_reference`: refuse what a user adds to a row about ours.

    Also what is moved to a document of ours: rows about the moved one would come along.
    """
    if not by_request.is_by_request() or not _is_by_hand(doc):
        return
    about = tuple(doc.get(field) for field in REFERENCES[doc.doctype])
    is_direct = about[0] in TENANT_DOCTYPES
    if not (is_direct or doc.flags.is_about_ours or personal_rows.is_about_ours(*about)):
        return
    if not doc.is_new() and frappe.db.get_value(doc.doctype, doc.name, REFERENCES[doc.doctype]) == about:
        return
    if not is_direct:
        _move_up(doc)
    elif not doc.is_new() and doc.doctype in STEPS:
        throw_moved(doc.doctype)


def check_move(doctype: str, kind: Any, name: Any) -> None:
    """Refuse to move a row of this DocType to a document of ours, or to a row about one."""
    if tenant_doctype(kind):
        throw_moved(doctype)
    about = row_doctype(kind)
    if about and (references.is_about_ours(about, name) or personal_rows.is_about_ours(about, name)):
        throw_further(about)


def check_pictures(doc: Document, _method: str | None = None) -> None:
    """`after_insert` of tasks and mails: refuse one about ours with pictures, which Frappe has stored beside it."""
    attached = {"attached_to_doctype": doc.doctype, "attached_to_name": doc.name}
    if by_request.is_by_request() and doc.flags.is_about_ours and frappe.db.exists("File", attached):
        throw_further(doc.doctype)


def _move_up(doc: Document) -> None:
    """Let a Notification's new mail, or a rule's new task, be about the document of ours itself. Refuse all else."""
    is_automatic = doc.get("communication_type") == "Automated Message" or doc.get("assignment_rule")
    kind, name = REFERENCES[doc.doctype]
    above = REFERENCES.get(doc.get(kind)) if is_automatic and doc.is_new() else None
    found = frappe.db.get_value(doc.get(kind), doc.get(name), above) if above else None
    if found and found[0] in TENANT_DOCTYPES:
        doc.update(dict(zip((kind, name), found, strict=True)))
        references.check_reference(doc)
    else:
        throw_further(doc.get(kind))


def throw_moved(doctype: str) -> None:
    """Refuse to move a row of this DocType: rows about it would come along."""
    text = _("This {0} can't be moved to another document. Make a new one there.")
    frappe.throw(text.format(_(doctype)), frappe.PermissionError)


def throw_further(doctype: str) -> None:
    """Refuse a row about a row of this DocType that is about ours."""
    text = _("Nothing can be added to a {0} about jobs, schedules or organizations: no comment, no file, no picture.")
    frappe.throw(text.format(_(doctype)), frappe.PermissionError)


def _is_by_hand(doc: Document) -> bool:
    """Whether a user makes this row. Frappe saves its own ones with ignore_permissions."""
    is_frappes = doc.doctype == "Comment" and doc.comment_type not in COMMENTS_BY_HAND
    if doc.doctype == "File" and doc.attached_to_doctype == "Prepared Report":
        is_frappes = not getattr(frappe.local, "request", None)  # a background job attaches its rows
    return doc.doctype in BY_HAND and not (is_frappes and doc.flags.ignore_permissions)
