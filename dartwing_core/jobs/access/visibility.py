"""The one place that decides which jobs a user may see and change (invariant I10).

A member sees their own jobs in their organizations. An admin of an organization sees all of its jobs, a System Manager
sees all. Results of an organization that is not active are hidden from its members. Results of some jobs are hidden
from all users except their owners. Lists, documents, REST and Python all use it. `desk_access` puts it into Frappe's
hooks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import frappe
from frappe.utils.caching import request_cache
from pypika.queries import Table
from pypika.terms import Criterion, EmptyCriterion

from ..lib import config
from ..lib.row_types import Row, changed
from . import tenancy
from .standing import NO_REACH, Reach, resolve_name

RESULTS = ("result", "output_reference")
"""The fields with what a job has made."""
DECIDING_FIELDS = ("owner_user", "organization", "job_type", "is_result_private")
"""The columns that `can_see_result` needs of a job."""
OWNER_ONLY = "Owner Only"
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
        """Whether a job is visible: `can_see`, and for System Managers alone those that tell apps of events.

        `job`: a row or document with its owner_user, organization and job_type.
        """
        is_visible = self.can_see(job.get("owner_user"), job.get("organization"))
        return is_visible and (self.sees_everything or not is_of_engine(job))

    def administers(self, organization: str) -> bool:
        """Whether the affairs of an organization as a whole are visible."""
        return self.sees_everything or organization in self.reach.admins

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
        members, admins = (_only(organization, names) for names in (self.reach.members, self.reach.admins))
        own = [name for name in members if name not in admins] if not administered else []
        parts = [(table.owner_user == self.user) & table.organization.isin(own)] if own else []
        if admins:
            parts.append(table.organization.isin(admins))
        return Criterion.any(parts) if parts else table.name.isnull()

    def can_see_condition(self, job: Table, organization: str | None = None) -> Criterion:
        """`can_see_job` as a condition. `visible` counts the jobs of an organization by an index alone."""
        condition = self.visible(job, organization)
        if self.sees_everything:
            return condition
        return condition & ((job.owner_user != config.ENGINE) | (job.job_type != config.ENQUEUED))

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


def _only(organization: str | None, names: list[str]) -> list[str]:
    return [name for name in names if name == organization] if organization else names


def _look(user: str) -> Viewer:
    if user == "Administrator":
        return Viewer(user, True, replace(NO_REACH, is_enabled=True))
    reach = tenancy.reach_of(user) if user != "Guest" else NO_REACH
    return Viewer(user, reach.is_enabled and "System Manager" in frappe.get_roles(user), reach)


_look_once = request_cache(_look)
