"""Frappe's hooks about the engine's DocTypes, answered by `visibility`: conditions of lists, permissions of documents.

Lists and reports can't hide a column of a row, so they leave out a job whose result is hidden, with its history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import frappe
from frappe import _
from frappe.query_builder.terms import NamedParameterWrapper
from pypika.queries import QueryBuilder, Table
from pypika.terms import Criterion, EmptyCriterion

from ..base import config
from ..base.texts import cut
from ..status import JobStatus
from . import visibility
from .visibility import Viewer

if TYPE_CHECKING:
    from frappe.model.document import Document

ORGANIZATION, MEMBER = "Organization", "Org Member"
ENGINE_DOCTYPES = (config.JOB, config.RUN, config.LOG, config.DEPENDENCY, config.BATCH, config.CIRCUIT, config.REMOVAL)
"""DocTypes that only the engine writes."""
TENANT_DOCTYPES = (*ENGINE_DOCTYPES, config.SCHEDULE, ORGANIZATION, MEMBER)
REFERENCES = {
    "Comment": ("reference_doctype", "reference_name"),
    "Communication": ("reference_doctype", "reference_name"),
    "ToDo": ("reference_type", "reference_name"),
    "Tag Link": ("document_type", "document_name"),
    "Document Follow": ("ref_doctype", "ref_docname"),
    "Version": ("ref_doctype", "docname"),
    "DocShare": ("share_doctype", "share_name"),
    "View Log": ("reference_doctype", "reference_name"),
    "Activity Log": ("reference_doctype", "reference_name"),
    "Email Queue": ("reference_doctype", "reference_name"),
    "Milestone": ("reference_type", "reference_name"),
    "Energy Point Log": ("reference_doctype", "reference_name"),
    "Discussion Topic": ("reference_doctype", "reference_docname"),
    "Workflow Action": ("reference_doctype", "reference_name"),
    "File": ("attached_to_doctype", "attached_to_name"),
}
"""Fields by which a document of another DocType refers to the engine's. Some DocTypes exist only in Frappe 15."""
LOADED = "dartwing_loaded"
"""In the flags of a document: the name with which it was loaded (`wall/loaded_names`)."""
CHECKS_READS = "dartwing_core_checks_reads"
"""In `frappe.flags`: load only documents that the user may see, as in a web request."""

READING = frozenset({None, "read", "select", "print", "email", "report", "export"})

# Lists, reports, link search, exports, counts --------------------------------------------------------------------


def conditions(user: str | None = None, doctype: str = config.JOB) -> str:
    """`permission_query_conditions` of TENANT_DOCTYPES."""
    viewer = visibility.viewer(user)
    return "" if viewer.sees_everything else as_sql(visible(doctype, viewer, frappe.qb.DocType(doctype)))


def visible(doctype: str, viewer: Viewer, table: Table) -> Criterion:
    """The condition on the table of one of TENANT_DOCTYPES for the rows that a user may see."""
    nothing = table.name.isnull()
    if doctype == config.JOB:
        return viewer.visible_with_result(table)
    if doctype in (config.BATCH, config.SCHEDULE):
        return viewer.visible(table)
    if doctype == config.CIRCUIT:
        return viewer.administered(table)
    if doctype == config.REMOVAL:
        return nothing
    if doctype in ENGINE_DOCTYPES:
        return table.background_job.isin(visible_names(config.JOB, viewer))
    if doctype == ORGANIZATION:
        return table.name.isin(viewer.reach.members) if viewer.reach.members else nothing
    if not viewer.reach.is_enabled:
        return nothing
    own, admins = table.user == viewer.user, viewer.reach.admins
    return own | table.organization.isin(admins) if admins else own


def visible_names(doctype: str, viewer: Viewer) -> QueryBuilder:
    """A query for the names of the rows that a user may see."""
    table = frappe.qb.DocType(doctype)
    return frappe.qb.from_(table).select(table.name).where(visible(doctype, viewer, table))


def notify_nobody() -> None:
    """Replaces a document's `notify_update`, by which Frappe tells all users with an open list of its DocType."""


# Documents -------------------------------------------------------------------------------------------------------


def has_job_permission(doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Background Job."""
    viewer = visibility.viewer(user)
    if not viewer.can_see_job(doc):
        return False
    is_result = doc.status == JobStatus.COMPLETED.value or is_download()
    return not is_result or viewer.can_see_result(doc)


def has_history_permission(
    doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False
) -> bool:
    """`has_permission` of Job Execution Log and Background Job Run: that of their job."""
    job = job_of(doc.background_job)
    return bool(job) and has_job_permission(job, ptype, user)


def has_batch_permission(doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Job Batch."""
    return visibility.viewer(user).can_see(doc.owner_user, doc.organization)


def has_circuit_permission(
    doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False
) -> bool:
    """`has_permission` of Job Circuit."""
    return visibility.viewer(user).administers(doc.organization)


def has_removal_permission(
    doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False
) -> bool:
    """`has_permission` of Organization Removal: only System Managers."""
    return visibility.viewer(user).sees_everything


def now_and_before(doc: Document, fields: Sequence[str], ptype: str | None = "create") -> list[tuple[Any, ...]]:
    """The values of a document in these fields, and those of its row. The writer may have changed the document.

    `ptype`: the permission in question. Only a document that is created has no row. A request may call any one new.
    """
    values = [tuple(doc.get(field) for field in fields)]
    is_created = doc.is_new() and ptype == "create"
    rows = {doc.flags.get(LOADED), None if is_created else doc.name} - {None, ""}
    for name in rows:
        values += frappe.db.get_values(doc.doctype, name, list(fields))
    return values


def has_schedule_permission(
    doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False
) -> bool:
    """`has_permission` of Job Schedule: users who see its jobs read it, admins of the organization write it."""
    viewer, rows = visibility.viewer(user), now_and_before(doc, ("owner_user", "organization"))
    if ptype in READING:
        return all(viewer.can_see(owner, organization) for owner, organization in rows)
    return all(viewer.administers(organization) for _owner, organization in rows)


def has_organization_permission(
    doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False
) -> bool:
    """`has_permission` of Organization: members read it, admins write it if a role lets them."""
    viewer = visibility.viewer(user)
    return viewer.administers(doc.name) or (ptype in READING and doc.name in viewer.reach.members)


def has_member_permission(
    doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False
) -> bool:
    """`has_permission` of Org Member: users read their own rows, admins write those of the organization if a role lets
    them. An own row would let a member become an admin.
    """
    viewer = visibility.viewer(user)
    if ptype in READING:
        is_own = viewer.reach.is_enabled and doc.user == viewer.user
        return is_own or viewer.administers(doc.organization)
    return all(viewer.administers(organization) for (organization,) in now_and_before(doc, ("organization",)))


_PERMISSIONS = {
    config.JOB: has_job_permission,
    config.BATCH: has_batch_permission,
    config.CIRCUIT: has_circuit_permission,
    config.SCHEDULE: has_schedule_permission,
    config.REMOVAL: has_removal_permission,
    ORGANIZATION: has_organization_permission,
    MEMBER: has_member_permission,
}


def load_visible(doc: Document, load: Callable[[], Any]) -> Any:
    """`load_from_db` of TENANT_DOCTYPES: in a web request, an invisible document is missing.

    Also where a report is made for a user (CHECKS_READS). Frappe answers 403 for an unreadable document and 404 for a
    missing one, which tells that an id exists. Both are raised from one line, since its error pages show stack traces.
    """
    if not getattr(frappe.local, "request", None) and not frappe.flags.get(CHECKS_READS):
        return load()
    if not isinstance(doc.name, str):  # a filter: it would reveal the first of all rows
        throw_missing(doc.doctype, _("document"))
    asked, loaded = doc.name, None
    try:
        loaded = load()
        is_permitted = _PERMISSIONS.get(doc.doctype, has_history_permission)
        # The database accepts several spellings of a name.
        is_visible = is_permitted(doc) and (doc.name == asked or visibility.viewer().sees_everything)
    except frappe.DoesNotExistError:
        frappe.clear_last_message()
        is_visible = False
    if not is_visible:
        throw_missing(doc.doctype, asked)
    return loaded


def throw_missing(doctype: str, name: Any) -> None:
    """Frappe's own error for a document that does not exist, to the letter."""
    try:
        error = frappe.DoesNotExistError(doctype=doctype)  # Frappe 16 makes it a 403 for users without a role
    except TypeError:
        error = frappe.DoesNotExistError
    frappe.throw(_("{0} {1} not found").format(_(doctype), cut(name)), error)


class DecidingRow(TypedDict):
    """The columns that decide who may see a job and its result."""

    status: str
    owner_user: str
    organization: str
    job_type: str
    is_result_private: int


def job_of(name: str) -> DecidingRow | None:
    """The columns that decide who may see this job. None if there is no such job."""
    return frappe.db.get_value(config.JOB, name, ["status", *visibility.DECIDING_FIELDS], as_dict=True)


def is_download() -> bool:
    """Whether a job's file is downloaded now: Frappe then asks for the permission of its document."""
    request = getattr(frappe.local, "request", None)
    return request is not None and request.path.startswith("/private/files/")


def as_sql(criterion: Criterion) -> str:
    """The condition as SQL text for Frappe. The database driver escapes each value in it.

    It is in parentheses, since Frappe 15 joins the conditions of several hooks without any.
    """
    if isinstance(criterion, EmptyCriterion):
        return ""
    values = NamedParameterWrapper()
    sql = criterion.get_sql(param_wrapper=values, quote_char="`", with_namespace=True)
    return f"({sql % {name: _literal(value) for name, value in values.get_parameters().items()}})"


def _literal(value: Any) -> str:
    """One value as SQL. A percent sign goes as hex: Frappe 16 formats the condition once more, Frappe 15 does not."""
    if "%" in value:
        return f"_utf8mb4 X'{value.encode().hex()}'"
    return frappe.db.escape(value, percent=False)
