"""The organizations of a user, by one adapter.

The hook `background_job_tenancy` names an object (or module) with `orgs_of(user)`, `is_member(user, organization)`,
`is_admin(user, organization)` and `state_of(organization)`; the default reads Organization and Org Member.
An adapter may also offer `standing(user, organization)` and `reach_of(user)`, which answer all of it at once;
`resolve(user, organization)` and `names_of(organizations)`, if its organizations have names beside their ids: the
first turns a name into the id, for a System Manager of all of them, for others of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import frappe
from frappe.query_builder.functions import Min
from pypika.queries import QueryBuilder, Table
from pypika.terms import Criterion, Parameter

from ..base import clock
from ..db import sql

ACTIVE = "Active"
ADMIN = "Admin"
LONGEST_ID = 140
HELD_STATES = ("Suspended", "Inactive")
LIMIT_FIELDS = ("is_paused", "weight", "max_running", "max_waiting", "on_queue_full")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an organization. No limits by default."""

    state: str | None = ACTIVE
    is_paused: int = 0
    weight: int = 1
    max_running: int = 0
    max_waiting: int = 0
    on_queue_full: str = "Reject"

    @property
    def may_start(self) -> bool:
        """Whether its waiting jobs may start. Jobs of an organization that is gone may, and fail."""
        return not self.is_paused and self.state not in HELD_STATES


@dataclass(frozen=True, slots=True)
class Standing:
    """The standing of a user in an organization at this moment."""

    state: str | None
    """The organization's status, or None if it does not exist."""
    role: str | None
    """"Member" or "Admin". None for other users."""
    limits: Limits = Limits()
    organization: str = ""
    """Its id, as in rows. The caller may have given its name."""
    name: str | None = None
    """Its name for people."""

    @property
    def is_active(self) -> bool:
        return self.state == ACTIVE

    @property
    def is_member(self) -> bool:
        return self.role is not None


@dataclass(frozen=True, slots=True)
class Reach:
    """The organizations of a user at this moment."""

    is_enabled: bool
    members: list[str]
    """The organizations where the user is a member or an admin."""
    admins: list[str]
    not_active: list[str]
    """The ones of `members` that are suspended or the like."""
    names: Mapping[str, str] | None = None
    """The names of `members`, by id. None if the adapter has not given them."""


NO_REACH = Reach(False, [], [], [], {})


@lru_cache
def _limits_text(_db_type: str) -> str:
    """The text of a query for the limits of `names`. The driver writes those in a third of the query builder's time."""
    org = frappe.qb.DocType("Organization")
    query = frappe.qb.from_(org).select(org.name, org.status, *(org[field] for field in LIMIT_FIELDS))
    return query.where(org.name.isin(Parameter("%(names)s"))).get_sql()


class OrgMemberTenancy:
    """The default: Active rows of Org Member whose dates include today."""

    def orgs_of(self, user: str) -> list[str]:
        return self.reach_of(user).members

    def is_member(self, user: str, organization: str) -> bool:
        return self.standing(user, organization).is_member

    def is_admin(self, user: str, organization: str) -> bool:
        return self.standing(user, organization).role == ADMIN

    def state_of(self, organization: str) -> str | None:
        return frappe.db.get_value("Organization", organization, "status")

    def standing(self, user: str, organization: str) -> Standing:
        """The organization's state and the user's role in it, in one statement. It may be given by name."""
        org = frappe.qb.DocType("Organization")
        member = frappe.qb.DocType("Org Member")
        rows = (
            frappe.qb.from_(org)
            .left_join(member)
            .on((member.organization == org.name) & self._is_current(member, user))
            .select(org.name, org.org_name, member.role, org.status, *(org[field] for field in LIMIT_FIELDS))
            .where((org.name == organization) | (org.org_name == organization))
        ).run()
        chosen = meant(organization, {row[0]: row[1] for row in rows}, {row[0] for row in rows if row[2]})
        if chosen is None:
            return Standing(None, None, organization=organization)
        found = [row for row in rows if row[0] == chosen]
        roles, limits = {row[2] for row in found}, Limits(*found[0][3:])
        return Standing(limits.state, ADMIN if ADMIN in roles else roles.pop(), limits, chosen, found[0][1])

    def resolve(self, _user: str, organization: str) -> str | None:
        """The id of any organization, by id or name. Only for users who see all of them."""
        org = frappe.qb.DocType("Organization")
        query = frappe.qb.from_(org).select(org.name, org.org_name)
        return meant(organization, dict(query.where((org.name == organization) | (org.org_name == organization)).run()))

    def names_of(self, organizations: Sequence[str]) -> dict[str, str]:
        """The names of these organizations, in one statement."""
        org = frappe.qb.DocType("Organization")
        return dict(frappe.qb.from_(org).select(org.name, org.org_name).where(org.name.isin(organizations)).run())

    def limits_of(self, organizations: Sequence[str]) -> dict[str, Limits]:
        """The limits of each of these, in one statement. A missing one has the state None."""
        if not organizations:
            return {}
        rows = frappe.db.sql(_limits_text(frappe.db.db_type), {"names": tuple(organizations)})
        found = {row[0]: Limits(*row[1:]) for row in rows}
        return {name: found.get(name) or Limits(None) for name in organizations}

    def admins_of(self, organization: str) -> list[str]:
        member = frappe.qb.DocType("Org Member")
        query = frappe.qb.from_(member).select(member.user).where(member.organization == organization)
        return query.where((member.role == ADMIN) & self._is_current(member, member.user)).run(pluck=True)

    def standing_arrays(self, job: Table) -> dict[tuple[str, ...], QueryBuilder]:
        """The standing of a job's owner, as columns of a query on jobs. Each is an `sql.array`, named by its key."""
        org, member = frappe.qb.DocType("Organization"), frappe.qb.DocType("Org Member")
        own = frappe.qb.from_(org).select(sql.array(org.status, org.is_paused)).where(org.name == job.organization)
        role = (
            frappe.qb.from_(member)
            .select(sql.array(Min(member.role)))  # "Admin" sorts before "Member"
            .where((member.organization == job.organization) & self._is_current(member, job.owner_user))
        )
        return {("organization_state", "is_paused"): own, ("owner_role",): role}

    def reach_of(self, user: str) -> Reach:
        """Whether the user is enabled, and their memberships with the state of each organization, in one statement."""
        account, member, org = (frappe.qb.DocType(name) for name in ("User", "Org Member", "Organization"))
        rows = (
            frappe.qb.from_(account)
            .left_join(member)
            .on(self._is_current(member, account.name))
            .left_join(org)
            .on(org.name == member.organization)
            .select(account.enabled, member.organization, member.role, org.status, org.org_name)
            .where(account.name == user)
        ).run()
        if not rows or not rows[0][0]:
            return NO_REACH
        found = [row[1:] for row in rows if row[1]]
        return Reach(
            True,
            [organization for organization, _role, _state, _name in found],
            [organization for organization, role, _state, _name in found if role == ADMIN],
            [organization for organization, _role, state, _name in found if state != ACTIVE],
            {organization: name or organization for organization, _role, _state, name in found},
        )

    def _is_current(self, member: Table, user: Any) -> Criterion:
        today = clock.site_time().date()  # getdate() costs a fresh process 7 ms on Frappe 15
        return (
            (member.user == user)
            & (member.status == ACTIVE)
            & (member.start_date.isnull() | (member.start_date <= today))
            & (member.end_date.isnull() | (member.end_date >= today))
        )


def adapter() -> Any:
    """The tenancy adapter of this site."""
    paths = frappe.get_hooks("background_job_tenancy")
    if not paths:
        return _DEFAULT
    found = frappe.get_attr(paths[-1])
    return found() if isinstance(found, type) else found


def meant(asked: str, names: Mapping[str, str | None], own: Collection[str] = ()) -> str | None:
    """The id of the organization that a text means, among those with these `names`. Those of `own` go first.

    An id goes before a name. A name of several organizations means none. Both are compared exactly: MariaDB takes
    "ACME " for "Acme", but stored, the two would be different tenants.
    """
    for candidates in (own, names):
        named = [asked] if asked in candidates else [one for one in candidates if names[one] == asked]
        if named:
            return named[0] if len(named) == 1 else None
    return None


def standing(user: str, organization: str) -> Standing:
    """The standing of `user` in `organization`, given by id or name, from the site's adapter."""
    if len(organization) > LONGEST_ID:
        return Standing(None, None, organization=organization)
    tenancy = adapter()
    if hasattr(tenancy, "standing"):
        found = tenancy.standing(user, organization)
        if found.organization:
            return found
        organization = resolve(user, organization)
        return replace(tenancy.standing(user, organization), organization=organization)
    organization = resolve(user, organization)
    role = "Member" if tenancy.is_member(user, organization) else None
    if role and tenancy.is_admin(user, organization):
        role = ADMIN
    limits = limits_of([organization])[organization]
    return Standing(limits.state, role, limits, organization)


def resolve(user: str, organization: str) -> str:
    """The id of an organization that is given by id or name. Other texts stay as they are."""
    tenancy = adapter()
    if len(organization) > LONGEST_ID or not hasattr(tenancy, "resolve"):
        return organization
    return tenancy.resolve(user, organization) or organization


def names_of(organizations: Iterable[str]) -> dict[str, str]:
    """The names of these organizations, by id. An id without a name stands for itself."""
    tenancy, asked = adapter(), sorted(set(organizations))
    names = tenancy.names_of(asked) if asked and hasattr(tenancy, "names_of") else {}
    return {organization: names.get(organization) or organization for organization in asked}


def reach_of(user: str) -> Reach:
    """The organizations of a user. None of them if the user is disabled."""
    tenancy = adapter()
    if hasattr(tenancy, "reach_of"):
        return tenancy.reach_of(user)
    if not frappe.db.get_value("User", user, "enabled"):
        return NO_REACH
    members = list(tenancy.orgs_of(user))
    admins = [organization for organization in members if tenancy.is_admin(user, organization)]
    return Reach(True, members, admins, [name for name in members if tenancy.state_of(name) != ACTIVE])


def limits_of(organizations: Sequence[str]) -> dict[str, Limits]:
    """The limits of each organization. An adapter without its own `limits_of` sets no limits except the state."""
    tenancy = adapter()
    if hasattr(tenancy, "limits_of"):
        return tenancy.limits_of(organizations)
    return {name: Limits(tenancy.state_of(name)) for name in organizations}


def name_of(organization: str) -> str:
    """The name of this organization, or its id if it has none."""
    return names_of([organization])[organization]


def admins_of(organization: str) -> list[str]:
    """The users who administer an organization. Empty if the adapter can't tell."""
    tenancy = adapter()
    return tenancy.admins_of(organization) if hasattr(tenancy, "admins_of") else []


def standing_arrays(job: Table) -> dict[tuple[str, ...], QueryBuilder]:
    """Columns of a query on Background Job (`job`) with the owner's standing. The keys name the content of each.

    Only the default adapter can answer in the same statement.
    """
    tenancy = adapter()
    return tenancy.standing_arrays(job) if hasattr(tenancy, "standing_arrays") else {}


def seen_standing(columns: Mapping[str, Any]) -> Standing | None:
    """The standing of a job's owner from the columns of `standing_arrays`. None without them."""
    if "organization_state" not in columns:
        return None
    state = columns["organization_state"]
    return Standing(state, columns["owner_role"], Limits(state, columns["is_paused"] or 0))


_DEFAULT = OrgMemberTenancy()
