"""Who may see and touch which jobs: the one place that decides (invariant I10).

A person sees the jobs of their own in organizations they are a member of, an admin of an organization all of its
jobs, a System Manager all. Lists, documents, REST and Python all ask here.
"""

from __future__ import annotations

from typing import Any

import frappe
from frappe import _
from frappe.query_builder.terms import NamedParameterWrapper
from pypika.terms import Criterion, EmptyCriterion

from . import config, store, tenancy
from .errors import JobNotFoundError


def sees_everything(user: str) -> bool:
    """System Managers and Administrator are not bound to organizations."""
    return user == "Administrator" or "System Manager" in frappe.get_roles(user)


def visible(job, user: str) -> Criterion:
    """The condition on Background Job (a query builder table) for the rows that `user` may see."""
    if sees_everything(user):
        return EmptyCriterion()
    members, admins = tenancy.organizations_of(user)
    own = (job.owner_user == user) & job.organization.isin(members) if members else _nothing(job)
    return own | job.organization.isin(admins) if admins else own


def can_see(user: str, owner_user: str, organization: str) -> bool:
    """The same rule for one job."""
    if sees_everything(user):
        return True
    standing = tenancy.standing(user, organization)
    return standing.role == tenancy.ADMIN or (standing.is_member and owner_user == user)


def visible_job(job_id: Any, *fields: str) -> dict:
    """The job's columns (without `fields` all light ones), if the current user may see it.

    Raises JobNotFoundError: the same for a job that is missing and one that may not be seen.
    """
    job = store.load(job_id, *fields) if isinstance(job_id, str) and job_id else None
    if not job or not can_see(frappe.session.user, job["owner_user"], job["organization"]):
        raise JobNotFoundError(_("Background job {0} not found.").format(str(job_id)[:60]))
    return job


def _nothing(job) -> Criterion:
    return job.name.isnull()


# Desk: list, report, link and document permissions ---------------------------------------------------------------


def job_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Background Job."""
    return _as_sql(visible(frappe.qb.DocType(config.JOB), user or frappe.session.user))


def log_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Job Execution Log: rows of visible jobs."""
    return _of_visible_jobs(config.LOG, user or frappe.session.user)


def run_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Background Job Run: attempts of visible jobs."""
    return _of_visible_jobs(config.RUN, user or frappe.session.user)


def organization_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Organization: the user's own."""
    user = user or frappe.session.user
    if sees_everything(user):
        return ""
    table = frappe.qb.DocType("Organization")
    members, _admins = tenancy.organizations_of(user)
    return _as_sql(table.name.isin(members) if members else _nothing(table))


def member_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of Org Member: own rows, and all rows of organizations one administers."""
    user = user or frappe.session.user
    if sees_everything(user):
        return ""
    table = frappe.qb.DocType("Org Member")
    _members, admins = tenancy.organizations_of(user)
    own = table.user == user
    return _as_sql(own | table.organization.isin(admins) if admins else own)


def file_conditions(user: str | None = None, doctype: str | None = None) -> str:
    """`permission_query_conditions` of File: no files of jobs that the user may not see.

    Frappe lists the files of a whole DocType, names and addresses, to everybody who may read any of its documents.
    """
    user = user or frappe.session.user
    if sees_everything(user):
        return ""
    file, job = frappe.qb.DocType("File"), frappe.qb.DocType(config.JOB)
    names = frappe.qb.from_(job).select(job.name).where(visible(job, user))
    is_other = file.attached_to_doctype.isnull() | (file.attached_to_doctype != config.JOB)
    return _as_sql(is_other | file.attached_to_name.isin(names))


def has_job_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Background Job."""
    return can_see(user or frappe.session.user, doc.owner_user, doc.organization)


def has_history_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Job Execution Log and Background Job Run: that of their job."""
    job = frappe.db.get_value(config.JOB, doc.background_job, ["owner_user", "organization"], as_dict=True)
    return bool(job) and can_see(user or frappe.session.user, job.owner_user, job.organization)


def has_organization_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Organization."""
    user = user or frappe.session.user
    return sees_everything(user) or tenancy.standing(user, doc.name).is_member


def has_member_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Org Member."""
    user = user or frappe.session.user
    if sees_everything(user) or doc.user == user:
        return True
    return tenancy.standing(user, doc.organization).role == tenancy.ADMIN


def _of_visible_jobs(doctype: str, user: str) -> str:
    if sees_everything(user):
        return ""
    table, job = frappe.qb.DocType(doctype), frappe.qb.DocType(config.JOB)
    names = frappe.qb.from_(job).select(job.name).where(visible(job, user))
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


def _literal(value: str) -> str:
    """One value as SQL. Frappe 16 formats the condition once more, Frappe 15 does not: a percent sign goes as hex."""
    if "%" in value:
        return f"_utf8mb4 X'{value.encode().hex()}'"
    return frappe.db.escape(value, percent=False)
