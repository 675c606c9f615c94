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
from ..lib import config
from ..lib.modules import find_module
from .org_members import OrgMemberTenancy
from .standing import ACTIVE, ADMIN, MEMBER, NO_REACH, Limits, Reach, Standing

HOOK = "background_job_tenancy"
ORGANIZATION = "Organization"
_DEFAULT = OrgMemberTenancy()


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
    found = find_module(path) or getattr(find_module(owner) if owner else None, name, None)
    if found is None:
        text = _("The hook {0} names {1}, but there is no such module or attribute.")
        raise TenancyHookError(text.format(HOOK, path))
    return found


def _offered(name: str) -> Any:
    """The adapter's function of this name. None if it leaves it out."""
    return getattr(adapter(), name, None)


def is_default() -> bool:
    """Whether the organizations are those of the DocType Organization, by the default adapter."""
    return adapter() is _DEFAULT


def standing(user: str, organization: str) -> Standing:
    """The standing of `user` in `organization`, given by id or name."""
    if not is_default():  # whose one statement knows names
        organization = resolve(user, organization)
    if ask := _offered("standing"):
        found: Standing = ask(user, organization)
        return found if found.organization else replace(found, organization=organization)
    limits, tenancy = limits_of([organization])[organization], adapter()
    role = MEMBER if tenancy.is_member(user, organization) else None
    role = ADMIN if role and tenancy.is_admin(user, organization) else role
    return Standing(limits.state, role, limits, organization)


def reach_of(user: str) -> Reach:
    """The organizations of a user. None of them if the user is disabled."""
    if ask := _offered("reach_of"):
        return ask(user)
    if not frappe.db.get_value("User", user, "enabled"):
        return NO_REACH
    tenancy = adapter()
    members = list(tenancy.orgs_of(user))
    admins = [organization for organization in members if tenancy.is_admin(user, organization)]
    return Reach(True, members, admins, [name for name in members if tenancy.state_of(name) != ACTIVE])


def limits_of(organizations: Sequence[str]) -> dict[str, Limits]:
    """The limits of each organization."""
    if ask := _offered("limits_of"):
        return ask(organizations)
    tenancy = adapter()
    return {name: Limits(tenancy.state_of(name)) for name in organizations}


def admins_of(organization: str) -> list[str]:
    """The users who administer an organization. Empty if the adapter can't tell."""
    ask = _offered("admins_of")
    return ask(organization) if ask else []


def resolve(user: str, organization: str) -> str:
    """The id of an organization that is given by id or name. Other texts stay as they are."""
    ask = _offered("resolve")
    return (ask and ask(user, organization)) or organization


def names_of(organizations: Iterable[str]) -> dict[str, str]:
    """The names of these organizations, by id. An id without a name stands for itself."""
    asked, ask = sorted(set(organizations)), _offered("names_of")
    names = ask(asked) if ask and asked else {}
    return {organization: names.get(organization) or organization for organization in asked}


def name_of(organization: str) -> str:
    """The name of this organization, or its id if it has none."""
    return names_of([organization])[organization]


def standing_of_owner() -> tuple[str, dict[str, Any]]:
    """A column of a query on Background Job with the owner's standing, for `seen_standing`, and its values."""
    ask = _offered("standing_of_owner")
    return ask() if ask else ("NULL", {})


def seen_standing(column: str | None) -> Standing | None:
    """The standing in that column. None if there is none."""
    state, is_paused, role = json.loads(column or "[null, null, null]")
    return Standing(state, role, Limits(state, is_paused or 0)) if state else None
