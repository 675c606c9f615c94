"""Documents of other DocTypes that refer to jobs, attempts, organizations and members: comments, tags, files and so on.

They are visible to users who may see the document to which they refer. Only such users may make them. Frappe shows
them to every user with a role for them. (15, 16)
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from pypika.queries import QueryBuilder, Table
from pypika.terms import Criterion, Not, Parameter, Term

from dartwing_core.jobs.access import desk_access, visibility
from dartwing_core.jobs.access.desk_access import (
    ENGINE_DOCTYPES,
    ORGANIZATION,
    REFERENCES,
    TENANT_DOCTYPES,
    as_sql,
    now_and_before,
    throw_missing,
    visible_names,
)
from dartwing_core.jobs.access.standing import Reach
from dartwing_core.jobs.access.visibility import Viewer
from dartwing_core.jobs.base import config
from dartwing_core.jobs.recovery import referring_rows

from . import by_request, spelled_names

if TYPE_CHECKING:
    from frappe.model.document import Document

CHILDREN = {
    "Dynamic Link": ("link_doctype", "link_name"),
    "Communication Link": ("link_doctype", "link_name"),
    "Event Participants": ("reference_doctype", "reference_docname"),
}
"""Fields by which child rows refer to a document. Frappe 15 lists all such rows to users with a role for some."""
PREPARED = "Prepared Report"
EXPORTED = "Home/Exported Reports"
"""The folder of files that Frappe 16 exports in the background."""
STEPS = ("File", "ToDo", "Communication", "Comment")
"""DocTypes of REFERENCES to which Frappe makes others refer: the attachment of a mail, the version of a task."""


# Reading such documents ---------------------------------------------------------------------------------------


def reference_conditions(user: str | None = None, doctype: str = "Comment") -> str:
    """`permission_query_conditions` of REFERENCES and CHILDREN: leaves out references to invisible documents.

    Frappe lists tags, followers and files, with the names of the documents, to all users with a role.
    """
    viewer = visibility.viewer(user)
    if viewer.sees_everything:
        return ""
    reach = viewer.reach
    places = (tuple(names) for names in (reach.members, reach.admins, reach.not_active))
    return _conditions_text(frappe.db.db_type, doctype, viewer.user, reach.is_enabled, *places)


@lru_cache(maxsize=256)
def _conditions_text(_db_type: str, doctype: str, user: str, is_enabled: bool, *places: tuple[str, ...]) -> str:
    """The text of the conditions, which takes ten milliseconds to make. It depends on these values alone."""
    members, admins, not_active = map(list, places)
    viewer = Viewer(user, False, Reach(is_enabled, members, admins, not_active, {}))
    return as_sql(_is_visible_row(frappe.qb.DocType(doctype), doctype, viewer))


def _is_visible_row(table: Table, doctype: str, viewer: Viewer) -> Criterion:
    """The condition for rows that refer to no hidden document of ours, nor to a row of STEPS that does.

    Rows that are a step further from one of our documents are hidden altogether: the tag of a file of a mail.
    """
    kind, name = (table[field] for field in (REFERENCES | CHILDREN)[doctype])
    condition = _refers_to_no_hidden_one(table, doctype, viewer)
    for step in STEPS:
        row = frappe.qb.DocType(step).as_(f"{doctype} {step}".lower().replace(" ", "_"))
        is_hidden = _refers_to_a_hidden_one(row, step, viewer) | _refers_to_a_step(row, step)
        hidden = frappe.qb.from_(row).select(row.name).where(is_hidden)
        condition &= kind.isnull() | (kind != step) | name.isnull() | name.notin(hidden.where(row.name == name))
    if doctype == "File":  # the rows of a prepared report, whatever that holds
        condition &= kind.isnull() | (kind != PREPARED) | (table.owner == viewer.user)
        condition &= table.folder.isnull() | (table.folder != EXPORTED) | (table.owner == viewer.user)
    return condition


def _refers_to_a_step(table: Table, doctype: str) -> Criterion:
    """The condition for rows that refer to a row of STEPS which refers to one of our documents."""
    kind, name = (table[field] for field in REFERENCES[doctype])
    found = []
    for step in STEPS:
        further = frappe.qb.DocType(step).as_(f"further_{step.lower()}")
        is_ours = (further.name == name) & further[REFERENCES[step][0]].isin(TENANT_DOCTYPES)
        found.append((kind == step) & name.isin(frappe.qb.from_(further).select(further.name).where(is_ours)))
    return Criterion.any(found)


def _refers_to_no_hidden_one(table: Table, doctype: str, viewer: Viewer) -> Criterion:
    """The condition for rows that refer to none of our documents, or to one that the user may see."""
    kind, name = (table[field] for field in (REFERENCES | CHILDREN)[doctype])
    condition = kind.isnull() | kind.notin(TENANT_DOCTYPES)
    for tenant_doctype in TENANT_DOCTYPES:
        is_file = doctype == "File" and tenant_doctype == config.JOB
        names = _names_with_files(viewer) if is_file else visible_names(tenant_doctype, viewer)
        condition |= (kind == tenant_doctype) & name.isin(names)
    return condition


def _refers_to_a_hidden_one(table: Table, doctype: str, viewer: Viewer) -> Criterion:
    kind = table[REFERENCES[doctype][0]]
    return kind.isin(TENANT_DOCTYPES) & Not(_refers_to_no_hidden_one(table, doctype, viewer))


def _names_with_files(viewer: Viewer) -> QueryBuilder:
    """The condition for files of visible jobs whose files are not hidden, as results may be."""
    job = frappe.qb.DocType(config.JOB)
    return frappe.qb.from_(job).select(job.name).where(viewer.visible_with_files(job))


def has_reference_permission(
    doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False
) -> bool:
    """`has_permission` of REFERENCES: no for a reference to an invisible document. Else the other hooks decide."""
    pairs = now_and_before(doc, REFERENCES[doc.doctype], ptype)
    may_refer = all(may_refer_to(kind, name, user) for kind, name in pairs)
    return may_refer and check_other_apps(doc, ptype, user, debug)


def may_refer_to(doctype: str | None, name: str | None, user: str | None = None) -> bool:
    """Whether a user may have a row that refers to this document.

    Yes for documents of others' DocTypes, unless they refer to a hidden one of ours themselves.
    """
    if not name or not (doctype in TENANT_DOCTYPES or doctype in REFERENCES):
        return True
    return is_visible(doctype, name, user) if doctype in TENANT_DOCTYPES else not _is_about_hidden(doctype, name, user)


def is_about_ours(doctype: str | None, name: str | None) -> bool:
    """Whether this is a row of REFERENCES that refers to one of our documents, also by a row of STEPS."""
    if doctype not in REFERENCES or not name or not _is_text(name) or not frappe.db.table_exists(doctype):
        return False
    return bool(frappe.db.sql(_about_text(frappe.db.db_type, doctype), (name,)))


@lru_cache(maxsize=32)
def _about_text(_db_type: str, doctype: str) -> str:
    """The text of `is_about_ours`, for one row of this DocType."""
    return row_about_ours(doctype, Parameter("%s")).get_sql()


def row_about_ours(doctype: str, name: Term) -> QueryBuilder:
    """A query for the row of REFERENCES of this name, if it refers to one of our documents, also by a row of STEPS."""
    row = frappe.qb.DocType(doctype).as_("about")
    is_about = row[REFERENCES[doctype][0]].isin(TENANT_DOCTYPES) | _refers_to_a_step(row, doctype)
    return frappe.qb.from_(row).select(row.name).where((row.name == name) & is_about)


def _is_about_hidden(doctype: str, name: str, user: str | None) -> bool:
    """Whether a row of REFERENCES refers to a document of ours that the user may not see, also by a row of STEPS."""
    return bool(hidden_of(doctype, [name], user))


def hidden_of(doctype: str, names: Collection[str], user: str | None = None) -> set[str]:
    """Those of these rows of REFERENCES, in any spelling, that refer to a document of ours hidden from the user."""
    viewer, asked = visibility.viewer(user), [name for name in names if _is_text(name)]
    if viewer.sees_everything or not asked or not frappe.db.table_exists(doctype):
        return set()
    row = frappe.qb.DocType(doctype)
    hidden = frappe.qb.from_(row).select(row.name).where(Not(_is_visible_row(row, doctype, viewer)))
    return spelled_names.leading_to(asked, lambda some: hidden.where(row.name.isin(some)).run(pluck=True))


def is_visible(doctype: str, name: str, user: str | None = None) -> bool:
    """Whether a user may see this document of one of TENANT_DOCTYPES, whatever their roles."""
    return visibility.viewer(user).sees_everything or bool(visible_of(doctype, [name], user))


def visible_of(doctype: str, names: Collection[str], user: str | None = None) -> list[str]:
    """The visible ones of these documents, in one statement. Organizations are given by id or name."""
    table = frappe.qb.DocType(doctype)
    asked = [name for name in names if _is_text(name)]
    query = visible_names(doctype, visibility.viewer(user))
    if not asked:
        return []
    if doctype != ORGANIZATION:
        return query.where(table.name.isin(asked)).run(pluck=True)
    rows = query.select(table.org_name).where(table.name.isin(asked) | table.org_name.isin(asked)).run()
    return [text for row in rows for text in row]


def _is_text(name: Any) -> bool:
    """Whether the value is text that a driver accepts: JSON may hold numbers, and half a character."""
    try:
        return isinstance(name, str) and bool(name.encode())
    except UnicodeEncodeError:
        return False


def check_other_apps(doc: Document, ptype: str | None, user: str | None, debug: bool) -> bool:
    """Call the other apps' hooks: Frappe 15 calls only the last one with an opinion, Frappe 16 takes none for a no."""
    hooks = frappe.get_hooks("has_permission").get(doc.doctype, [])
    for path in reversed([path for path in hooks if not path.startswith("dartwing_core.")]):
        opinion = frappe.call(path, doc=doc, ptype=ptype, user=user or frappe.session.user, debug=debug)
        if opinion is not None:
            return bool(opinion)
    return True


# Writing such documents ------------------------------------------------------------------------------------------


def check_deleting(doc: Document, _method: str | None = None) -> None:
    """`on_trash` of our documents: ask for the permission even where Frappe's functions ignore it.

    A Web Form lets the owner of a document delete it, also one who administers its organization no more. (15, 16)
    """
    if by_request.is_by_request() and not frappe.has_permission(doc.doctype, "delete", doc=doc):
        raise frappe.PermissionError(_("You may not delete {0} {1}.").format(_(doc.doctype), doc.name))


def delete_about(doc: Document, _method: str | None = None) -> None:
    """`after_delete` of our documents: mails, tasks and their files go along, when Frappe refuses no more.

    Frappe keeps them about nothing, and then shows them to everybody. (15, 16)
    """
    referring_rows.delete_about(doc.doctype, [doc.name], has_form=True, by_sql=False)


def stay_quiet(doc: Document, _method: str | None = None) -> None:
    """`on_trash` of REFERENCES: send no update. It would tell all users with a list of rows who has removed which."""
    kind, name = (doc.get(field) for field in REFERENCES[doc.doctype])
    if kind in TENANT_DOCTYPES or is_about_ours(kind, name):
        doc.notify_update = desk_access.notify_nobody


def check_reference(doc: Document, method: str | None = None) -> None:
    """`validate` of REFERENCES: refuse references to invisible documents.

    Frappe writes comments, assignments and tags into the row of the document: a running job's, or another tenant's.
    """
    doctype_field, name_field = REFERENCES[doc.doctype]
    doctype, name = doc.get(doctype_field), doc.get(name_field)
    doc.flags.is_about_ours = doctype in TENANT_DOCTYPES or is_about_ours(doctype, name)
    if doc.doctype == "Communication":
        # A mail is linked to every document, and to every Contact, whose name or address it holds. Anybody makes a
        # Contact with the address of another, and reads its timeline.
        linked = () if doc.flags.is_about_ours else filter(_may_be_linked, doc.timeline_links)
        doc.set("timeline_links", list(linked))
    if doctype in REFERENCES and doc.flags.is_about_ours:
        _check_row_about_ours(doc, doctype, name)
    if doctype in TENANT_DOCTYPES and name:
        _check_document_of_ours(doc, doctype, name)


def _check_row_about_ours(doc: Document, doctype: str, name: str) -> None:
    """Check a reference to a row that is itself about a document of ours."""
    if getattr(frappe.local, "request", None) and not may_refer_to(doctype, name):
        throw_missing(doctype, name)
    doc.notify_update = desk_access.notify_nobody
    if doc.doctype == "DocShare":
        text = _("A {0} about jobs, schedules or organizations can't be shared.")
        frappe.throw(text.format(_(doctype)), frappe.PermissionError)


def _check_document_of_ours(doc: Document, doctype: str, name: str) -> None:
    """Check a reference to a document of ours."""
    doc.notify_update = desk_access.notify_nobody
    if doctype in ENGINE_DOCTYPES and doc.doctype in ("ToDo", "Tag Link"):
        frappe.throw(_("Background jobs can't be assigned or tagged."), frappe.PermissionError)
    if doc.doctype == "Discussion Topic":  # Frappe publishes each reply to every visitor of the website
        frappe.throw(_("{0} can't be discussed on the website.").format(_(doctype)), frappe.PermissionError)
    if getattr(frappe.local, "request", None) and not frappe.has_permission(doctype, "read", doc=name):
        throw_missing(doctype, name)
    if _is_attached_by_hand(doc) and not frappe.has_permission(doctype, "write", doc=name):
        frappe.throw(
            _("Only users who may change {0} {1} may attach files to it.").format(_(doctype), name),
            frappe.PermissionError,
        )


def _may_be_linked(link: Document) -> bool:
    """Whether a mail may be linked to this document. A sender by hand learns of no hidden one by a link."""
    if link.link_doctype in ENGINE_DOCTYPES:
        return False
    return not getattr(frappe.local, "request", None) or may_refer_to(link.link_doctype, link.link_name)


def _is_attached_by_hand(doc: Document) -> bool:
    """Whether a user attaches a file. For an upload Frappe asks for the permission to write, elsewhere it does not."""
    is_new_file = doc.doctype == "File" and doc.is_new() and not doc.flags.ignore_permissions
    return is_new_file and bool(getattr(frappe.local, "request", None))
