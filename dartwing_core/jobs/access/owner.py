"""The owner of a job that is to run."""

from __future__ import annotations

from dataclasses import dataclass

from . import tenancy
from .tenancy import Standing


@dataclass(slots=True)
class Owner:
    """The owner of a job, as they were when the job was taken."""

    user: str
    organization: str
    """That of the job."""
    is_enabled: bool
    language: str | None
    time_zone: str | None
    seen_standing: Standing | None
    """What they were to the organization; None if the site's adapter can't tell that in the statement of a take."""

    def standing(self) -> Standing:
        """What they are to the organization: as seen, else as the adapter says now."""
        return self.seen_standing or tenancy.standing(self.user, self.organization)
