"""Checks that a user may run jobs of a type for an organization, at submit and again at each run (I8)."""

from __future__ import annotations

import frappe
from frappe import _

from ..errors import InvalidJobError, PermanentError
from ..lib import config
from ..lib.config import JobType
from ..lib.texts import cut
from . import tenancy, visibility
from .standing import ACTIVE, Standing


def check_member(user: str, organization: str) -> Standing:
    """The user's standing in an organization, given by id or name.

    Raises PermissionError, with equal words for a foreign and a missing organization.
    """
    if user == "Guest":
        raise frappe.PermissionError(_("Log in to submit background jobs."))
    standing = tenancy.standing(user, organization)
    if not standing.is_member and not visibility.viewer(user).sees_everything:
        if config.settings().default_organization:  # which may be meant: a call need not name it
            raise frappe.PermissionError(_("You are not a member of the organization."))
        asked = cut(organization)  # not its name, which would tell that it exists
        raise frappe.PermissionError(_("You are not a member of the organization {0}.").format(asked))
    return standing


def check_submit(user: str, standing: Standing, job_type: JobType) -> None:
    """Raises InvalidJobError if the organization takes no jobs, PermissionError by the Job Type."""
    shown = standing.name or cut(standing.organization)
    if standing.state is None:
        raise InvalidJobError(_("Organization {0} not found.").format(shown))
    if standing.state != ACTIVE:
        text = _("Organization {0} is {1} and accepts no new jobs.")
        raise InvalidJobError(text.format(shown, _(standing.state).lower()))
    if not has_required(user, job_type.requires_permission):
        text = _("Jobs of type {0} need the permission {1}.")
        raise frappe.PermissionError(text.format(job_type.name, job_type.requires_permission))


def check_owner(user: str, is_enabled: bool, standing: Standing, requirement: str | None) -> None:
    """Raises PermanentError if a job may not run (any more) for its owner. `requirement`: that of its Job Type."""
    if not is_enabled:
        raise PermanentError(_("The owner of this job, {0}, is disabled or deleted.").format(user))
    if standing.state is None:
        raise PermanentError(_("Organization not found"))
    if standing.state != ACTIVE:
        raise PermanentError(_("The organization is {0}.").format(_(standing.state).lower()))
    if not standing.is_member and not visibility.viewer(user).sees_everything:
        raise PermanentError(_("The owner of this job is no longer a member of the organization."))
    if not has_required(user, requirement):
        raise PermanentError(_("The owner of this job lacks the permission {0}.").format(requirement))


def has_required(user: str, requirement: str | None) -> bool:
    """Whether the user meets a Job Type's `requires_permission`: a role, a DocType (read) or DocType:permission."""
    requirement = (requirement or "").strip()
    if not requirement or user == "Administrator":
        return True
    doctype, colon, ptype = requirement.partition(":")
    if colon or frappe.db.exists("DocType", doctype, cache=True):
        return bool(frappe.has_permission(doctype.strip(), ptype.strip() or "read", user=user))
    return requirement in frappe.get_roles(user)


def check_may_delete() -> None:
    """Raises PermissionError unless the user may delete jobs, which System Managers may."""
    if not frappe.has_permission(config.JOB, "delete"):
        raise frappe.PermissionError(_("Only a System Manager may delete jobs."))
