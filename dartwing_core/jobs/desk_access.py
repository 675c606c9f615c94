"""What Frappe asks about our DocTypes, answered by `access`: conditions of lists, permissions of documents.

Lists and reports can't hide a column of a row, so they leave out a job whose result is hidden, with its history.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import frappe
from frappe import _
from frappe.query_builder.terms import NamedParameterWrapper
from pypika.terms import Criterion, EmptyCriterion

from . import access, config
from .access import Viewer
from .status import JobStatus

ORGANIZATION, MEMBER = "Organization", "Org Member"
ENGINE_DOCTYPES = (config.JOB, config.RUN, config.LOG, config.DEPENDENCY, config.BATCH)
"""Written by the engine alone."""
TENANT_DOCTYPES = (*ENGINE_DOCTYPES, ORGANIZATION, MEMBER)
REFERENCES = {
    "Comment": ("reference_doctype", "reference_name"),
    "Communication": ("reference_doctype", "reference_name"),
    "ToDo": ("reference_type", "reference_name"),
    "Tag Link": ("document_type", "document_name"),
    "File": ("attached_to_doctype", "attached_to_name"),
}
"""Fields with which a document of another DocType hangs on one of ours."""


# Lists, reports, link search, exports, counts --------------------------------------------------------------------


def job_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Background Job."""
    return _as_sql(access.viewer(user).visible_with_result(frappe.qb.DocType(config.JOB)))


def log_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Job Execution Log: rows of visible jobs."""
    return _of_visible_jobs(config.LOG, access.viewer(user))


def run_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Background Job Run: attempts of visible jobs."""
    return _of_visible_jobs(config.RUN, access.viewer(user))


def dependency_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Background Job Dependency: what visible jobs depend on."""
    return _of_visible_jobs(config.DEPENDENCY, access.viewer(user))


def batch_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Job Batch: as of jobs."""
    return _as_sql(access.viewer(user).visible(frappe.qb.DocType(config.BATCH)))


def organization_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Organization: the user's own."""
    viewer = access.viewer(user)
    if viewer.sees_everything:
        return ""
    table, members = frappe.qb.DocType(ORGANIZATION), viewer.reach.members
    return _as_sql(table.name.isin(members) if members else table.name.isnull())


def member_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Org Member: own rows, and all rows of organizations one administers."""
    viewer = access.viewer(user)
    table, admins = frappe.qb.DocType(MEMBER), viewer.reach.admins
    if viewer.sees_everything:
        return ""
    if not viewer.reach.is_enabled:
        return _as_sql(table.name.isnull())
    own = table.user == viewer.user
    return _as_sql(own | table.organization.isin(admins) if admins else own)


def file_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of File: no files of jobs that the user may not see, or whose results are hidden.

    Frappe lists the files of a whole DocType, names and addresses, to everybody who may read any of its documents.
    """
    viewer = access.viewer(user)
    if viewer.sees_everything:
        return ""
    file, job = frappe.qb.DocType("File"), frappe.qb.DocType(config.JOB)
    names = frappe.qb.from_(job).select(job.name).where(viewer.visible(job))
    if viewer.hidden:
        names = names.where(job.organization.notin(viewer.hidden))
    is_other = file.attached_to_doctype.isnull() | (file.attached_to_doctype != config.JOB)
    return _as_sql(is_other | file.attached_to_name.isin(names))


# Documents -------------------------------------------------------------------------------------------------------


def has_job_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Background Job."""
    viewer = access.viewer(user)
    if not viewer.can_see(doc.owner_user, doc.organization):
        return False
    is_result = doc.status == JobStatus.COMPLETED.value or _is_download()
    return not is_result or viewer.can_see_result(doc.organization)


def has_history_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Job Execution Log, Background Job Run and Background Job Dependency: that of their job."""
    job = _job(doc.background_job)
    return bool(job) and has_job_permission(job, ptype, user)


def has_batch_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Job Batch."""
    return access.viewer(user).can_see(doc.owner_user, doc.organization)


def has_organization_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Organization."""
    viewer = access.viewer(user)
    return viewer.sees_everything or doc.name in viewer.reach.members


def has_member_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Org Member."""
    viewer = access.viewer(user)
    is_own = viewer.reach.is_enabled and doc.user == viewer.user
    return viewer.sees_everything or is_own or doc.organization in viewer.reach.admins


def has_file_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of File: a job's files are as private as its result; of others the other hooks decide.

    Frappe 15 asks only the last hook that has an opinion, Frappe 16 takes none for a no: so ours asks the others.
    """
    if doc.attached_to_doctype == config.JOB:
        viewer, job = access.viewer(user), _job(doc.attached_to_name)
        is_visible = bool(job) and viewer.can_see(job.owner_user, job.organization)
        if not viewer.sees_everything and not (is_visible and viewer.can_see_result(job.organization)):
            return False
    if ptype == "create" and _has_address_of_a_jobs(doc):  # before Frappe copies what lies there
        return False
    others = [path for path in frappe.get_hooks("has_permission").get("File", []) if not path.startswith(__name__)]
    for path in reversed(others):
        opinion = frappe.call(path, doc=doc, ptype=ptype, user=user or frappe.session.user, debug=debug)
        if opinion is not None:
            return bool(opinion)
    return True


_PERMISSIONS = {config.JOB: has_job_permission, config.BATCH: has_batch_permission}


def load_visible(doc, load: Callable[[], Any]) -> Any:
    """`load_from_db` of ENGINE_DOCTYPES: in a web request, what its user may not see is missing.

    Frappe answers 403 for what may not be read and 404 for what is not there, which tells an id that exists. Both
    are raised from one line, since its error pages show stack traces.
    """
    if not getattr(frappe.local, "request", None):
        return load()
    if not isinstance(doc.name, str):  # a filter: it would tell what the first of all rows holds
        throw_missing(doc.doctype, _("document"))
    asked, loaded = doc.name, None
    try:
        loaded = load()
        is_permitted = _PERMISSIONS.get(doc.doctype, has_history_permission)
        is_visible = is_permitted(doc)
    except frappe.DoesNotExistError:
        frappe.clear_last_message()
        is_visible = False
    if not is_visible:
        throw_missing(doc.doctype, asked)
    return loaded


def throw_missing(doctype: str, name: Any) -> None:
    """Frappe's own error for a document that does not exist, to the letter."""
    try:
        error = frappe.DoesNotExistError(doctype=doctype)  # Frappe 16 makes a 403 of it for who has no role
    except TypeError:
        error = frappe.DoesNotExistError
    frappe.throw(_("{0} {1} not found").format(_(doctype), name), error)


# Documents that hang on ours -------------------------------------------------------------------------------------


def check_reference(doc, method: str | None = None) -> None:
    """`validate` of Comment, Communication, ToDo, Tag Link and File: nothing is hung on what one may not see.

    Frappe writes comments, assignments and tags into the row they hang on: under a running job, or another tenant's.
    """
    doctype_field, name_field = REFERENCES[doc.doctype]
    doctype, name = doc.get(doctype_field), doc.get(name_field)
    if doctype not in TENANT_DOCTYPES or not name:
        return
    if doctype in ENGINE_DOCTYPES and doc.doctype in ("ToDo", "Tag Link"):
        frappe.throw(_("Background jobs can't be assigned or tagged."), frappe.PermissionError)
    if getattr(frappe.local, "request", None) and not frappe.has_permission(doctype, "read", doc=name):
        throw_missing(doctype, name)


def check_file(doc, method: str | None = None) -> None:
    """`before_insert` of File: a job's files come from code, are private, and follow the job's permissions alone.

    Frappe takes uploads from everybody who may read the document, and lets the owner of a File read it for ever, also
    when they have left the organization.
    """
    if doc.attached_to_doctype not in ENGINE_DOCTYPES:
        return
    if getattr(frappe.local, "request", None) and not doc.flags.ignore_permissions:
        frappe.throw(_("Files of background jobs come from their handlers."), frappe.PermissionError)
    if not doc.is_private:
        frappe.throw(_("Files of background jobs must be private."))
    doc.owner = "Administrator"


def check_file_url(doc, method: str | None = None) -> None:
    """`before_validate` of File: no other File has the address of a job's, and none of a job's is published.

    Before Frappe's own `validate`, which moves the file on the disk.
    """
    if doc.attached_to_doctype in ENGINE_DOCTYPES and not doc.is_private:
        frappe.throw(_("Files of background jobs must be private."), frappe.PermissionError)
    if _has_address_of_a_jobs(doc):
        frappe.throw(_("This file belongs to a background job."), frappe.PermissionError)


def _has_address_of_a_jobs(file) -> bool:
    """Whether, in a web request, a File points to where another one of a job lies."""
    if not getattr(frappe.local, "request", None) or not file.file_url:
        return False
    address = os.path.normpath("/" + unquote(str(file.file_url)).strip().lstrip("/"))
    same = {"file_url": address, "attached_to_doctype": ["in", ENGINE_DOCTYPES], "name": ["!=", file.name or ""]}
    return bool(frappe.db.exists("File", same))


def _job(name: str):
    return frappe.db.get_value(config.JOB, name, ["owner_user", "organization", "status"], as_dict=True)


def _is_download() -> bool:
    """Frappe asks for the permission of the document when one of its files is downloaded."""
    request = getattr(frappe.local, "request", None)
    return request is not None and request.path.startswith("/private/files/")


def _of_visible_jobs(doctype: str, viewer: Viewer) -> str:
    if viewer.sees_everything:
        return ""
    table, job = frappe.qb.DocType(doctype), frappe.qb.DocType(config.JOB)
    names = frappe.qb.from_(job).select(job.name).where(viewer.visible_with_result(job))
    return _as_sql(table.background_job.isin(names))


def _as_sql(criterion: Criterion) -> str:
    """Frappe takes conditions as SQL text: the database driver escapes each value in it.

    Parentheses, since Frappe 15 joins the conditions of several hooks without any.
    """
    if isinstance(criterion, EmptyCriterion):
        return ""
    values = NamedParameterWrapper()
    sql = criterion.get_sql(param_wrapper=values, quote_char="`", with_namespace=True)
    return f"({sql % {name: _literal(value) for name, value in values.get_parameters().items()}})"


def _literal(value: Any) -> str:
    """One value as SQL. Frappe 16 formats the condition once more, Frappe 15 does not: a percent sign goes as hex."""
    if "%" in value:
        return f"_utf8mb4 X'{value.encode().hex()}'"
    return frappe.db.escape(value, percent=False)
