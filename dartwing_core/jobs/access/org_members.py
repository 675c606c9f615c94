"""The default adapter of `tenancy`: the DocTypes Organization and Org Member, and the Default Organization."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import frappe
from frappe.query_builder import Case
from frappe.query_builder.functions import Coalesce, Min
from pypika.queries import QueryBuilder, Table
from pypika.terms import Criterion, Parameter, Term, ValueWrapper

from ..lib import clock, config, sql
from .standing import ACTIVE, ADMIN, MEMBER, NO_REACH, Limits, Reach, Standing, resolve_name

DESK_USER = "System User"
"""The user type of accounts that may use Desk. Others are Website Users."""
LIMIT_FIELDS = ("is_paused", "weight", "max_running", "max_waiting", "on_queue_full")


@lru_cache
def _limits_text(_db_type: str) -> str:
    """The text of a query for the limits of `names`. The driver writes those in a third of the query builder's time."""
    org = frappe.qb.DocType("Organization")
    query = frappe.qb.from_(org).select(org.name, org.status, *(org[field] for field in LIMIT_FIELDS))
    return query.where(org.name.isin(Parameter("%(names)s"))).get_sql()


@lru_cache
def _standing_text(_db_type: str, *, has_default: bool) -> str:
    """The text of the query for a standing, which takes longer to make than to run."""
    user, organization, default, today = (
        Parameter(f"%({name})s") for name in ("user", "organization", "default", "today")
    )
    org, member, account = (frappe.qb.DocType(name) for name in ("Organization", "Org Member", "User"))
    query = frappe.qb.from_(org).left_join(member)
    query = query.on((member.organization == org.name) & _is_current(member, user, today))
    query = query.where((org.name == organization) | (org.org_name == organization))
    role: Term = member.role
    if has_default:
        is_desk_user = (account.name == user) & (account.enabled == 1) & (account.user_type == DESK_USER)
        query = query.left_join(account).on(is_desk_user & (org.name == default))
        role = Coalesce(role, Case().when(account.name.isnotnull(), MEMBER))
    return query.select(org.name, org.org_name, role, org.status, *(org[field] for field in LIMIT_FIELDS)).get_sql()


class OrgMemberTenancy:
    """The default: Active rows of Org Member whose dates include today.

    All users of Desk are members of the site's Default Organization, without such a row.
    """

    def standing(self, user: str, organization: str) -> Standing:
        """The organization's state and the user's role in it, in one statement. It may be given by name."""
        default = config.settings().default_organization
        values = {"user": user, "organization": organization, "default": default, "today": clock.site_time().date()}
        rows = frappe.db.sql(_standing_text(frappe.db.db_type, has_default=bool(default)), values)
        chosen = resolve_name(organization, {row[0]: row[1] for row in rows}, {row[0] for row in rows if row[2]})
        if chosen is None:
            return Standing(None, None, organization=organization)
        found = [row for row in rows if row[0] == chosen]
        roles, limits = {row[2] for row in found}, Limits(*found[0][3:])
        return Standing(limits.state, ADMIN if ADMIN in roles else roles.pop(), limits, chosen, found[0][1])

    def resolve(self, _user: str, organization: str) -> str | None:
        """The id of any organization, by id or name. Only for users who see all of them."""
        org = frappe.qb.DocType("Organization")
        query = frappe.qb.from_(org).select(org.name, org.org_name)
        return resolve_name(
            organization, dict(query.where((org.name == organization) | (org.org_name == organization)).run())
        )

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
        """The users who administer the organization at present."""
        member = frappe.qb.DocType("Org Member")
        query = frappe.qb.from_(member).select(member.user).where(member.organization == organization)
        return query.where((member.role == ADMIN) & _is_current(member, member.user)).run(pluck=True)

    def standing_arrays(self, job: Table) -> dict[tuple[str, ...], QueryBuilder]:
        """The standing of a job's owner, as columns of a query on jobs. Each is an `sql.array`, named by its key."""
        org, member = frappe.qb.DocType("Organization"), frappe.qb.DocType("Org Member")
        own = frappe.qb.from_(org).select(sql.array(org.status, org.is_paused)).where(org.name == job.organization)
        is_current = (member.organization == job.organization) & _is_current(member, job.owner_user)
        role = frappe.qb.from_(member).where(is_current)
        first = Min(member.role)  # "Admin" sorts before "Member"
        default = config.settings().default_organization
        if default is None:
            query = role.select(sql.array(first))
        else:
            account = frappe.qb.DocType("User")
            is_default = (job.organization == default) & (account.user_type == DESK_USER)
            query = frappe.qb.from_(account).where(account.name == job.owner_user)
            query = query.select(sql.array(Coalesce(role.select(first), Case().when(is_default, MEMBER))))
        return {("organization_state", "is_paused"): own, ("owner_role",): query}

    def reach_of(self, user: str) -> Reach:
        """Whether the user is enabled, and their memberships with the state of each organization, in one statement."""
        account, member, org = (frappe.qb.DocType(name) for name in ("User", "Org Member", "Organization"))
        default = org.as_("default_organization")
        rows = (
            frappe.qb.from_(account)
            .left_join(member)
            .on(_is_current(member, account.name))
            .left_join(org)
            .on(org.name == member.organization)
            .left_join(default)
            .on((default.name == (config.settings().default_organization or "")) & (account.user_type == DESK_USER))
            .select(account.enabled, member.organization, member.role, org.status, org.org_name)
            .select(default.name, ValueWrapper(MEMBER), default.status, default.org_name)
            .where(account.name == user)
        ).run()
        if not rows or not rows[0][0]:
            return NO_REACH
        found = [row[1:5] for row in rows if row[1]]
        by_default = rows[0][5:]
        if by_default[0] and all(row[0] != by_default[0] for row in found):
            found.append(by_default)
        return Reach(
            True,
            [organization for organization, _role, _state, _name in found],
            [organization for organization, role, _state, _name in found if role == ADMIN],
            [organization for organization, _role, state, _name in found if state != ACTIVE],
            {organization: name or organization for organization, _role, _state, name in found},
        )


def _is_current(member: Table, user: Any, today: Any = None) -> Criterion:
    today = today or clock.site_time().date()  # getdate() costs a fresh process 7 ms on Frappe 15
    return (
        (member.user == user)
        & (member.status == ACTIVE)
        & (member.start_date.isnull() | (member.start_date <= today))
        & (member.end_date.isnull() | (member.end_date >= today))
    )
