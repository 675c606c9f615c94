"""Types for the limits of organizations, and for a user's standing in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

ACTIVE = "Active"
MEMBER, ADMIN = "Member", "Admin"
STOPPED_STATES = ("Suspended", "Inactive")
"""States of organizations whose jobs do not start."""


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
        return not self.is_paused and self.state not in STOPPED_STATES


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
    def is_member(self) -> bool:
        """Whether the user is a member or an admin."""
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


def resolve_name(asked: str, names: Mapping[str, str | None], own: Collection[str] = ()) -> str | None:
    """The id of the organization that a text means, among those with these `names`. Those of `own` go first.

    An id goes before a name. A name of several organizations means none. Both are compared exactly: MariaDB takes
    "ACME " for "Acme", but stored, the two would be different tenants.
    """
    for candidates in (own, names):
        named = [asked] if asked in candidates else [one for one in candidates if names[one] == asked]
        if named:
            return named[0] if len(named) == 1 else None
    return None
