"""The owner of a job that is to run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import frappe

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


@contextmanager
def acting_as(user: str) -> Iterator[None]:
    """Act with the permissions of this user while entered. A request keeps its session and its form."""
    session, before, form = frappe.local.session, frappe.session.user, frappe.local.form_dict
    kept = (session.get("sid"), session.get("data"))

    def become(user: str) -> None:
        frappe.set_user(user)
        session.sid, session.data = kept
        frappe.local.form_dict = form

    become(user)
    try:
        yield
    finally:
        become(before)
