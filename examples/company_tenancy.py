"""The companies of ERPNext as tenants of the job engine, by the User Permissions that a site has anyway.

A user with User Permissions for companies belongs to those. A user who may read Company and has none belongs to all.
LOOK OUT: so deleting the last one, also with its company, makes a user a member of all other companies. Where these
must not see each other, deny by default: the last line of `orgs_of` becomes `return []`.
Copy the file into your app, and name it in `hooks.py`: background_job_tenancy = "your_app.company_tenancy"
For the forms of Desk, name `link_forms` there too: after_migrate = ["your_app.company_tenancy.link_forms"]
"""

from __future__ import annotations

import frappe
from frappe.custom.doctype.property_setter.property_setter import make_property_setter
from frappe.permissions import get_user_permissions

COMPANY = "Company"
ADMIN_ROLE = "Accounts Manager"
WITH_ORGANIZATION = ("Background Job", "Job Execution Log", "Job Batch", "Job Circuit", "Job Schedule")


def orgs_of(user: str) -> list[str]:
    """The companies for which the user submits jobs."""
    permitted = get_user_permissions(user).get(COMPANY)
    if permitted:
        return [row["doc"] for row in permitted if not row.get("applicable_for")]
    return frappe.get_all(COMPANY, pluck="name") if frappe.has_permission(COMPANY, "read", user=user) else []


def is_member(user: str, organization: str) -> bool:
    """Whether the user may submit jobs there."""
    return organization in orgs_of(user)


def is_admin(user: str, organization: str) -> bool:
    """Whether the user sees the jobs of all members."""
    return ADMIN_ROLE in frappe.get_roles(user) and is_member(user, organization)


def state_of(organization: str) -> str | None:
    """Active, or None if there is no such company."""
    return "Active" if frappe.db.exists(COMPANY, organization) else None


def link_forms() -> None:
    """Let the fields of organizations in Desk lead to Company. User Permissions don't narrow the lists of jobs."""
    links = {**dict.fromkeys(WITH_ORGANIZATION, "organization"), "Job Engine Settings": "default_organization"}
    for doctype, field in links.items():
        make_property_setter(doctype, field, "options", COMPANY, "Text", validate_fields_for_doctype=False)
        make_property_setter(doctype, field, "ignore_user_permissions", "1", "Check")
