"""The organizations of a user, by the adapter that the hook `background_job_tenancy` names (`docs/tenancy.md`).

It has four functions. What it leaves out of the others follows from these. The default reads Organization and Org
Member.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import frappe
from frappe import _

from ..errors import TenancyHookError
from ..lib import clock, config
from .standing import ACTIVE, ADMIN, MEMBER, NO_REACH, Limits, Reach, Standing, resolve_name

HOOK = "background_job_tenancy"
ORGANIZATION = "Organization"


def adapter() -> Any:
    """The tenancy adapter of this site. Raises TenancyHookError if the hook names nothing that exists."""
    paths = config.hook(HOOK)
    if not paths:
        return _DEFAULT
    found = _named(paths[-1])
    return found() if isinstance(found, type) else found


@lru_cache
def _named(path: str) -> Any:
    """The module of this dotted path, or else the attribute of a module. An error within the module stays its own."""
    owner, _dot, name = path.rpartition(".")
    found = config.find_module(path) or getattr(config.find_module(owner) if owner else None, name, None)
    if found is None:
        text = _("The hook {0} names {1}, but there is no such module or attribute.")
        raise TenancyHookError(text.format(HOOK, path))
    return found


def _ask(name: str, *arguments: Any) -> Any:
    """The answer of the adapter's function of this name. None if it leaves it out."""
    function = getattr(adapter(), name, None)
    return function(*arguments) if function else None


def is_default() -> bool:
    """Whether the organizations are those of the DocType Organization, by the default adapter."""
    return adapter() is _DEFAULT


def standing(user: str, organization: str) -> Standing:
    """The standing of `user` in `organization`, given by id or name."""
    if not is_default():  # whose one statement knows names
        organization = resolve(user, organization)
    found: Standing | None = _ask("standing", user, organization)
    if found:
        return found if found.organization else replace(found, organization=organization)
    limits, tenancy = limits_of([organization])[organization], adapter()
    role = MEMBER if tenancy.is_member(user, organization) else None
    role = ADMIN if role and tenancy.is_admin(user, organization) else role
    return Standing(limits.state, role, limits, organization)


def reach_of(user: str) -> Reach:
    """The organizations of a user. None of them if the user is disabled."""
    if found := _ask("reach_of", user):
        return found
    if not frappe.db.get_value("User", user, "enabled"):
        return NO_REACH
    tenancy = adapter()
    members = list(tenancy.orgs_of(user))
    admins = [organization for organization in members if tenancy.is_admin(user, organization)]
    return Reach(True, members, admins, [name for name in members if tenancy.state_of(name) != ACTIVE])


def limits_of(organizations: Sequence[str]) -> dict[str, Limits]:
    """The limits of each organization. One that the adapter leaves out has no caps and no pause."""
    found = _ask("limits_of", organizations) or {}
    return {name: found.get(name) or Limits(adapter().state_of(name)) for name in organizations}


def admins_of(organization: str) -> list[str]:
    """The users who administer an organization. Empty if the adapter can't tell."""
    return _ask("admins_of", organization) or []


def resolve(user: str, organization: str) -> str:
    """The id of an organization that is given by id or name. Other texts stay as they are."""
    return _ask("resolve", user, organization) or organization


def names_of(organizations: Iterable[str]) -> dict[str, str]:
    """The names of these organizations, by id. An id without a name stands for itself."""
    asked = sorted(set(organizations))
    names = (_ask("names_of", asked) if asked else None) or {}
    return {organization: names.get(organization) or organization for organization in asked}


def name_of(organization: str) -> str:
    """The name of this organization, or its id if it has none."""
    return names_of([organization])[organization]


def standing_of_owner() -> tuple[str, dict[str, Any]]:
    """A column of a query on Background Job with the owner's standing, for `seen_standing`, and its values."""
    return _ask("standing_of_owner") or ("NULL", {})


def seen_standing(column: str | None) -> Standing | None:
    """The standing in that column. None if there is none."""
    role, *limits = json.loads(column or "[null, null]")
    return Standing(limits[0], role, Limits(*limits)) if limits[0] else None


# The default adapter --------------------------------------------------------------------------------------------------

_BY_DEFAULT = f"(SELECT value FROM tabSingles WHERE doctype = '{config.SETTINGS}' AND field = 'default_organization')"
_LIMITS = "org.status, org.is_paused, org.weight, org.max_running, org.max_waiting, org.on_queue_full"
_IS_CURRENT = """member.status = 'Active'
    AND (member.start_date IS NULL OR member.start_date <= %(today)s)
    AND (member.end_date IS NULL OR member.end_date >= %(today)s)"""
_MEMBERSHIPS = f"""`tabOrganization` org
    LEFT JOIN `tabOrg Member` member
        ON member.organization = org.name AND member.user = {{user}} AND {_IS_CURRENT}
    LEFT JOIN `tabUser` account
        ON org.name = {_BY_DEFAULT} AND account.name = {{user}}
        AND account.enabled AND account.user_type = 'System User'"""
"""The organizations, each with the rows that make the user a member."""
_ROLE = "COALESCE(member.role, IF(account.name IS NULL, NULL, 'Member'))"
_LIMITS_OF = f"SELECT org.name, {_LIMITS} FROM `tabOrganization` org WHERE org.name IN %(names)s"
_STANDING = f"""
    SELECT org.name, org.org_name, {_ROLE}, {_LIMITS} FROM {_MEMBERSHIPS.format(user="%(user)s")}
    WHERE org.name = %(organization)s OR org.org_name = %(organization)s"""
# "Admin" sorts before "Member".
_OF_OWNER = f"""(
    SELECT JSON_ARRAY(MIN({_ROLE}), {_LIMITS})
    FROM {_MEMBERSHIPS.format(user="`tabBackground Job`.owner_user")}
    WHERE org.name = `tabBackground Job`.organization)"""
_REACH = f"""
    SELECT account.enabled, member.organization, member.role, org.status, org.org_name,
        by_default.name, 'Member', by_default.status, by_default.org_name
    FROM `tabUser` account
    LEFT JOIN `tabOrg Member` member ON member.user = account.name AND {_IS_CURRENT}
    LEFT JOIN `tabOrganization` org ON org.name = member.organization
    LEFT JOIN `tabOrganization` by_default
        ON by_default.name = {_BY_DEFAULT} AND account.user_type = 'System User'
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
        """A column of a query on Background Job, and its values: role and limits as JSON."""
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
    """The values of a statement, with today's date. `getdate()` costs a fresh process 7 ms on Frappe 15."""
    return {**values, "today": clock.site_time().date()}


_DEFAULT = OrgMemberTenancy()
