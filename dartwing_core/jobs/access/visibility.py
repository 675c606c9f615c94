"""The one place that decides which jobs a user may see and change (invariant I10).

A member sees their own jobs in their organizations. An admin of an organization sees all of its jobs, a System Manager
sees all. Results of an organization that is not active are hidden from its members. Results of some jobs are hidden
from all users except their owners. Lists, documents, REST and Python all use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import frappe
from frappe.query_builder.terms import NamedParameterWrapper
from frappe.utils.caching import request_cache
from pypika.queries import Table
from pypika.terms import Criterion, EmptyCriterion

from ..lib import config
from ..lib.rows import Row, changed
from ..lib.tables import JOB
from . import tenancy
from .standing import NO_REACH, Reach, resolve_name

if TYPE_CHECKING:
    from frappe.model.document import Document

RESULTS = ("result", "output_reference")
"""The fields with what a job has made."""
DECIDING_FIELDS = ("owner_user", "organization", "job_type", "is_result_private")
"""The columns that `can_see_result` needs of a job."""
OWNER_ONLY = "Owner Only"
NOT_OF_ENGINE = (JOB.owner_user != config.ENGINE) | (JOB.job_type != config.ENQUEUED)
"""The condition for jobs that tell no app of an event (`is_of_engine`)."""
"""`results_visible_to` of a Job Type."""


def deciding_row(job: str) -> Any:
    """The columns that decide who may see a job and its result. None if there is no such job."""
    return frappe.db.get_value(config.JOB, job, ["status", *DECIDING_FIELDS], as_dict=True)


@dataclass(frozen=True, slots=True)
class Viewer:
    """A user, with what they may see at this moment."""

    user: str
    sees_everything: bool
    """System Managers and Administrator are not bound to organizations."""
    reach: Reach

    def can_see(self, owner_user: str, organization: str) -> bool:
        """Whether a job of this owner and organization is visible."""
        return self.administers(organization) or (owner_user == self.user and organization in self.reach.members)

    def can_see_job(self, job: Any) -> bool:
        """Whether a job (row or document) is visible: `can_see`, and that of `is_of_engine` for System Managers."""
        is_visible = self.can_see(job.get("owner_user"), job.get("organization"))
        return is_visible and (self.sees_everything or not is_of_engine(job))

    def administers(self, organization: str) -> bool:
        """Whether the affairs of an organization as a whole are visible."""
        return self.sees_everything or organization in self.reach.admins

    @property
    def usual_organization(self) -> str | None:
        """The organization that the user means who names none: the default one, or else their only one."""
        default, own = config.settings().default_organization, self.reach.members
        if default and (self.sees_everything or default in own):
            return default
        return own[0] if len(own) == 1 else None

    def id_of(self, organization: str | None) -> str | None:
        """The id of an organization that is given by id or name. Other texts stay as they are.

        Issues no query if only the user's own organizations matter.
        """
        if not organization:
            return None
        names = self.reach.names
        if self.sees_everything or names is None:
            return tenancy.resolve(self.user, organization)
        return resolve_name(organization, names) or organization

    def names_of(self, organizations: Iterable[str]) -> dict[str, str]:
        """The names of these organizations, by id. Issues no query for those of the user."""
        known = self.reach.names or {}
        return {**known, **tenancy.names_of(one for one in organizations if one not in known)}

    def with_organization_names(self, rows: Sequence[Row]) -> list[Row]:
        """These rows, each with its organization's name as `organization_name`."""
        names = self.names_of({row["organization"] for row in rows})
        return [changed(row, {"organization_name": names[row["organization"]]}) for row in rows]

    def can_see_result(self, job: Any) -> bool:
        """Whether the result of a visible job is visible too, with the files it has made.

        False while its organization is suspended or the like. False for others' jobs if results are only for owners.
        `job`: a row or document with its owner_user, organization, job_type and is_result_private.
        """
        if self.sees_everything:
            return True
        is_own = job.get("owner_user") == self.user
        is_hidden = job.get("organization") in self.reach.not_active
        return not is_hidden and (is_own or not is_result_private(job))

    def visible(self, table: Table, organization: str | None = None, *, administered: bool = False) -> Criterion:
        """The condition on a table (of the query builder) with `organization` and `owner_user` for visible rows.

        With `organization` only its rows: so a single index still answers the condition. `administered`: only rows of
        organizations that the user administers.
        """
        organization = self.id_of(organization)
        if self.sees_everything:
            return table.organization == organization if organization else EmptyCriterion()
        of_user = (self.reach.members, self.reach.admins)
        members, admins = ([name for name in names if organization in (None, name)] for names in of_user)
        own = [name for name in members if name not in admins] if not administered else []
        parts = [(table.owner_user == self.user) & table.organization.isin(own)] if own else []
        if admins:
            parts.append(table.organization.isin(admins))
        return Criterion.any(parts) if parts else table.name.isnull()

    def can_see_condition(self, organization: str | None = None) -> Criterion:
        """`can_see_job` as a condition. `visible` counts the jobs of an organization by an index alone."""
        condition = self.visible(JOB, organization)
        return condition if self.sees_everything else condition & NOT_OF_ENGINE

    def without_hidden_result(self, job: Row) -> Row:
        """The job's columns. Hidden result columns are None, and texts of jobs that tell apps of events."""
        texts = ("error_message", "progress_message") if is_of_engine(job) else ()
        found = [field for field in job if field.removeprefix("sealed_") in RESULTS + texts]
        return changed(job, dict.fromkeys(found)) if found and not self.can_see_result(job) else job


def is_of_engine(job: Any) -> bool:
    """Whether a job tells an app of an event. It runs as Administrator, whose errors may name anything."""
    return bool(job.get("owner_user") == config.ENGINE and job.get("job_type") == config.ENQUEUED)


def viewer(user: str | None = None) -> Viewer:
    """The viewer for a user, by default the current one. Costs one statement, only once in a web request."""
    look = _look_once if getattr(frappe.local, "request", None) else _look
    return look(user or frappe.session.user)


def forget() -> None:
    """Read again in this request, after a change of members or organizations."""
    getattr(frappe.local, "request_cache", {}).clear()  # Frappe 15 makes it on demand


def can_see(user: str, owner_user: str, organization: str) -> bool:
    """Whether `user` may see a job of this owner and organization."""
    return viewer(user).can_see(owner_user, organization)


def is_result_private(job: Any) -> bool:
    """Whether the result of a job (a row or document) is only for its owner.

    The owner's permissions have made it. An admin of the organization may have fewer.
    """
    job_type = config.job_type(job.get("job_type"))
    is_of_type = job_type is not None and job_type.results_visible_to == OWNER_ONLY
    return is_of_type or bool(job.get("is_result_private", True))


def may_edit(owner_user: str, user: str) -> bool:
    """Whether `user` may change the work of a job of this owner.

    Admins of its organization may not. The handler runs as the owner, so another user's parameters would borrow the
    owner's permissions.
    """
    return owner_user == user or viewer(user).sees_everything


def _look(user: str) -> Viewer:
    if user == "Administrator":
        return Viewer(user, True, replace(NO_REACH, is_enabled=True))
    reach = tenancy.reach_of(user) if user != "Guest" else NO_REACH
    return Viewer(user, reach.is_enabled and "System Manager" in frappe.get_roles(user), reach)


_look_once = request_cache(_look)


# Frappe's permission hooks for this app's DocTypes --------------------------------------------------------------------


ORGANIZATION, MEMBER = "Organization", "Org Member"
HISTORY = (config.RUN, config.LOG, config.DEPENDENCY)
ENGINE_DOCTYPES = (config.JOB, *HISTORY, config.BATCH, config.CIRCUIT)
"""DocTypes that only the engine writes."""
READING = frozenset({None, "read", "select", "print", "email", "report", "export"})
DECIDING = ("user", "background_job", *DECIDING_FIELDS)
"""The fields that decide who may see a row. A DocType has some of them."""


def conditions(user: str | None = None, doctype: str = config.JOB) -> str:
    """`permission_query_conditions`: the rows in lists, reports, searches, exports and counts."""
    looking = viewer(user)
    return "" if looking.sees_everything else _as_sql(_visible(doctype, looking, frappe.qb.DocType(doctype)))


def _visible(doctype: str, looking: Viewer, table: Table) -> Criterion:
    nothing = table.name.isnull()
    if doctype == config.JOB:
        return looking.can_see_condition()
    if doctype in HISTORY:
        return table.background_job.isin(frappe.qb.from_(JOB).select(JOB.name).where(looking.can_see_condition()))
    if doctype in (config.BATCH, config.SCHEDULE):
        return looking.visible(table)
    if doctype == config.CIRCUIT:
        return looking.visible(table, administered=True)
    if doctype == ORGANIZATION:
        return table.name.isin(looking.reach.members) if looking.reach.members else nothing
    if doctype == MEMBER and looking.reach.is_enabled:
        own, admins = table.user == looking.user, looking.reach.admins
        return own | table.organization.isin(admins) if admins else own
    return nothing


def has_permission(doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission`: of a document as it was sent, and of its row. The sender may have put other owners into it."""
    looking = viewer(user)
    if looking.sees_everything:
        return True
    rows = [doc]
    if isinstance(doc.name, str):
        columns = ["name", *(field for field in DECIDING if doc.meta.has_field(field))]
        rows += frappe.db.get_values(doc.doctype, doc.name, columns, as_dict=True)
    if ptype in READING or doc.doctype in ENGINE_DOCTYPES:
        return all(may_see(doc.doctype, row, looking) for row in rows)
    # Admins of the organization write, if a role lets them. An own membership would let a member become an admin.
    return all(looking.administers(row.get("name" if doc.doctype == ORGANIZATION else "organization")) for row in rows)


def may_see(doctype: str, row: Any, looking: Viewer) -> bool:
    """Whether the user may see this row, or document, of a DocType."""
    if looking.sees_everything:
        return True
    if doctype in HISTORY:
        doctype, row = config.JOB, deciding_row(row.get("background_job"))
    if doctype == config.JOB:
        return bool(row) and looking.can_see_job(row)
    if doctype in (config.BATCH, config.SCHEDULE):
        return looking.can_see(row.get("owner_user"), row.get("organization"))
    if doctype == ORGANIZATION:
        return row.get("name") in looking.reach.members
    if doctype == MEMBER and looking.reach.is_enabled and row.get("user") == looking.user:
        return True
    return doctype in (MEMBER, config.CIRCUIT) and looking.administers(row.get("organization"))


def _as_sql(criterion: Criterion) -> str:
    """The condition as SQL text, in parentheses: Frappe 15 joins the conditions of several apps without any."""
    values = NamedParameterWrapper()
    sql = criterion.get_sql(param_wrapper=values, quote_char="`", with_namespace=True)
    return f"({sql % {name: _literal(value) for name, value in values.get_parameters().items()}})"


def _literal(value: Any) -> str:
    """One value as SQL. A percent sign goes as hex: Frappe 16 formats the condition once more, Frappe 15 does not."""
    if "%" in value:
        return f"_utf8mb4 X'{value.encode().hex()}'"
    return frappe.db.escape(value, percent=False)
