"""The default adapter of `tenancy`: the DocTypes Organization and Org Member, and the Default Organization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import frappe

from ..lib import clock, config
from .standing import ACTIVE, ADMIN, NO_REACH, Limits, Reach, Standing, resolve_name

_LIMITS = "org.status, org.is_paused, org.weight, org.max_running, org.max_waiting, org.on_queue_full"
_IS_CURRENT = """member.status = 'Active'
    AND (member.start_date IS NULL OR member.start_date <= %(today)s)
    AND (member.end_date IS NULL OR member.end_date >= %(today)s)"""
_MEMBERSHIPS = f"""`tabOrganization` org
    LEFT JOIN `tabOrg Member` member
        ON member.organization = org.name AND member.user = {{user}} AND {_IS_CURRENT}
    LEFT JOIN `tabUser` account
        ON org.name = %(default)s AND account.name = {{user}}
        AND account.enabled AND account.user_type = 'System User'"""
"""The organizations, each with the rows that make the user a member."""
_ROLE = "COALESCE(member.role, IF(account.name IS NULL, NULL, 'Member'))"
_LIMITS_OF = f"SELECT org.name, {_LIMITS} FROM `tabOrganization` org WHERE org.name IN %(names)s"
_STANDING = f"""
    SELECT org.name, org.org_name, {_ROLE}, {_LIMITS} FROM {_MEMBERSHIPS.format(user="%(user)s")}
    WHERE org.name = %(organization)s OR org.org_name = %(organization)s"""
# "Admin" sorts before "Member".
_OF_OWNER = f"""(
    SELECT JSON_ARRAY(org.status, org.is_paused, MIN({_ROLE}))
    FROM {_MEMBERSHIPS.format(user="`tabBackground Job`.owner_user")}
    WHERE org.name = `tabBackground Job`.organization)"""
_REACH = f"""
    SELECT account.enabled, member.organization, member.role, org.status, org.org_name,
        by_default.name, 'Member', by_default.status, by_default.org_name
    FROM `tabUser` account
    LEFT JOIN `tabOrg Member` member ON member.user = account.name AND {_IS_CURRENT}
    LEFT JOIN `tabOrganization` org ON org.name = member.organization
    LEFT JOIN `tabOrganization` by_default
        ON by_default.name = %(default)s AND account.user_type = 'System User'
    WHERE account.name = %(user)s"""


class OrgMemberTenancy:
    """The default: Active rows of Org Member whose dates include today.

    All users of Desk are members of the site's Default Organization, without such a row.
    """

    def standing(self, user: str, organization: str) -> Standing:
        """The organization's state and the user's role in it, in one statement. It may be given by name."""
        rows = frappe.db.sql(_STANDING, _values(user=user, organization=organization))
        chosen = resolve_name(organization, {row[0]: row[1] for row in rows}, {row[0] for row in rows if row[2]})
        if chosen is None:
            return Standing(None, None, organization=organization)
        found = [row for row in rows if row[0] == chosen]
        roles, limits = {row[2] for row in found}, Limits(*found[0][3:])
        return Standing(limits.state, ADMIN if ADMIN in roles else roles.pop(), limits, chosen, found[0][1])

    def standing_of_owner(self) -> tuple[str, dict[str, Any]]:
        """A column of a query on Background Job, and its values: state, pause and role as JSON."""
        return _OF_OWNER, _values()

    def resolve(self, _user: str, organization: str) -> str | None:
        """The id of any organization, by id or name. Only for users who see all of them."""
        named = "SELECT name, org_name FROM `tabOrganization` WHERE name = %(asked)s OR org_name = %(asked)s"
        return resolve_name(organization, dict(frappe.db.sql(named, {"asked": organization})))

    def names_of(self, organizations: Sequence[str]) -> dict[str, str]:
        """The names of these organizations, in one statement."""
        named = "SELECT name, org_name FROM `tabOrganization` WHERE name IN %(names)s"
        return dict(frappe.db.sql(named, {"names": tuple(organizations)}))

    def limits_of(self, organizations: Sequence[str]) -> dict[str, Limits]:
        """The limits of each of these, in one statement. A missing one has the state None."""
        rows = frappe.db.sql(_LIMITS_OF, {"names": tuple(organizations)}) if organizations else ()
        found = {row[0]: Limits(*row[1:]) for row in rows}
        return {name: found.get(name) or Limits(None) for name in organizations}

    def admins_of(self, organization: str) -> list[str]:
        """The users who administer the organization at present."""
        admins = "SELECT member.user FROM `tabOrg Member` member WHERE member.organization = %(organization)s"
        text = f"{admins} AND member.role = 'Admin' AND {_IS_CURRENT}"
        return frappe.db.sql(text, _values(organization=organization), pluck=True)

    def reach_of(self, user: str) -> Reach:
        """Whether the user is enabled, and their memberships with the state of each organization, in one statement."""
        rows = frappe.db.sql(_REACH, _values(user=user))
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


def _values(**values: str) -> dict[str, Any]:
    """The values of a statement, with the Default Organization and today's date.

    `getdate()` costs a fresh process 7 ms on Frappe 15.
    """
    return {**values, "default": config.settings().default_organization, "today": clock.site_time().date()}
