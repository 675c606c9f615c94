"""The organizations of a user, by one adapter.

The hook `background_job_tenancy` names an object (or module) with `orgs_of(user)`, `is_member(user, organization)`,
`is_admin(user, organization)` and `state_of(organization)`; the default reads Organization and Org Member.
An adapter may also offer `standing(user, organization)` and `reach_of(user)`, which answer all of it at once;
`resolve(user, organization)` and `names_of(organizations)`, if its organizations have names beside their ids: the
first turns a name into the id, for a System Manager of all of them, for others of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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


class _FourFunctions:
    """What follows from the four functions that each adapter has, for the ones that it leaves out."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def standing(self, user: str, organization: str) -> Standing:
        role = MEMBER if self._of.is_member(user, organization) else None
        if role and self._of.is_admin(user, organization):
            role = ADMIN
        limits = limits_of([organization])[organization]
        return Standing(limits.state, role, limits)

    def reach_of(self, user: str) -> Reach:
        if not frappe.db.get_value("User", user, "enabled"):
            return NO_REACH
        members = list(self._of.orgs_of(user))
        admins = [organization for organization in members if self._of.is_admin(user, organization)]
        return Reach(True, members, admins, [name for name in members if self._of.state_of(name) != ACTIVE])

    def limits_of(self, organizations: Sequence[str]) -> dict[str, Limits]:
        return {name: Limits(self._of.state_of(name)) for name in organizations}

    def resolve(self, _user: str, organization: str) -> str:
        return organization

    def names_of(self, _organizations: Sequence[str]) -> dict[str, str]:
        return {}

    def admins_of(self, _organization: str) -> list[str]:
        return []


def _offered(name: str) -> Any:
    """The adapter's function of this name, or else the one that follows from its four functions."""
    tenancy = adapter()
    return getattr(tenancy, name, None) or getattr(_FourFunctions(tenancy), name)


def is_default() -> bool:
    """Whether the organizations are those of the DocType Organization, by the default adapter."""
    return adapter() is _DEFAULT


def standing(user: str, organization: str) -> Standing:
    """The standing of `user` in `organization`, given by id or name, from the site's adapter."""
    if not is_default():  # whose one statement knows names
        organization = resolve(user, organization)
    found: Standing = _offered("standing")(user, organization)
    return found if found.organization else replace(found, organization=organization)


def resolve(user: str, organization: str) -> str:
    """The id of an organization that is given by id or name. Other texts stay as they are."""
    return _offered("resolve")(user, organization) or organization


def names_of(organizations: Iterable[str]) -> dict[str, str]:
    """The names of these organizations, by id. An id without a name stands for itself."""
    asked = sorted(set(organizations))
    names = _offered("names_of")(asked) if asked else {}
    return {organization: names.get(organization) or organization for organization in asked}


def name_of(organization: str) -> str:
    """The name of this organization, or its id if it has none."""
    return names_of([organization])[organization]


def reach_of(user: str) -> Reach:
    """The organizations of a user. None of them if the user is disabled."""
    return _offered("reach_of")(user)


def limits_of(organizations: Sequence[str]) -> dict[str, Limits]:
    """The limits of each organization."""
    return _offered("limits_of")(organizations)


def admins_of(organization: str) -> list[str]:
    """The users who administer an organization. Empty if the adapter can't tell."""
    return _offered("admins_of")(organization)


@dataclass(slots=True)
class Owner:
    """The owner of a job, as they were at its claim."""

    user: str
    organization: str
    """The job's organization."""
    is_enabled: bool
    language: str | None
    time_zone: str | None
    _standing: Standing | None = None

    def standing(self) -> Standing:
        """Their standing in the organization, read when it is first asked for."""
        self._standing = self._standing or standing(self.user, self.organization)
        return self._standing
