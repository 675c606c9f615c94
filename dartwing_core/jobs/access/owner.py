"""The owner of a job that is to run."""

from __future__ import annotations

from dataclasses import dataclass

from . import tenancy
from .standing import Standing


@dataclass(slots=True)
class Owner:
    """The owner of a job, as they were at its claim."""

    user: str
    organization: str
    """The job's organization."""
    is_enabled: bool
    language: str | None
    time_zone: str | None
    seen_standing: Standing | None
    """Their standing in the organization. None if the site's adapter can't tell it in the statement of a claim."""

    def standing(self) -> Standing:
        """Their standing in the organization: as read at the claim, else from the adapter now."""
        return self.seen_standing or tenancy.standing(self.user, self.organization)
