"""Organizations, users and Job Types for tests; `wipe` takes them and their jobs away again.

Everything made here has a name that begins with "Test" or "test", and only that is ever deleted: the site
may be a bench's.
"""

from __future__ import annotations

from typing import Any

import frappe

from dartwing_core.jobs.lib import connection

ALPHA, BETA = "Test Alpha", "Test Beta"
HANDLERS = "tests.support.handlers"
TYPED = "tests.support.typed_handlers"
FAULTS = "tests.support.faults"
REMAINS = "tests.support.remains"
TENANTS = "tests.tenants.world"


def title_of(organization: str) -> str:
    """What people call a test organization, so that tests see where its id is shown instead."""
    return f"{organization.removeprefix('Test ')} Ltd"


def organization(name: str, **values: Any) -> str:
    """An organization with this id."""
    title = frappe.db.get_value("Organization", name, "org_name")
    if title and title != title_of(name):  # on a bench where older tests have made it
        frappe.db.set_value("Organization", name, "org_name", title_of(name))
    if not title:
        document = frappe.get_doc({"doctype": "Organization", "org_name": title_of(name), **values})
        document.insert(ignore_permissions=True, set_name=name)
    return name


def user(name: str, *memberships: str, roles: tuple[str, ...] = ("Dartwing User",), org_role: str = "Member") -> str:
    """A user with this first name, member of the organizations; returns the e-mail address."""
    email = f"test_{name}@example.com"
    if not frappe.db.exists("User", email):
        values = {"email": email, "first_name": name.title(), "send_welcome_email": 0, "enabled": 1}
        document = frappe.get_doc({"doctype": "User", **values})
        document.flags.no_welcome_mail = True
        document.append_roles(*roles)
        document.insert(ignore_permissions=True)
    _give_roles(email, roles)
    for name_of_organization in memberships:
        member(email, name_of_organization, org_role)
    return email


def org_admin(name: str) -> str:
    """An admin of Test Alpha with Desk."""
    return user(name, ALPHA, roles=("Dartwing Admin",), org_role="Admin")


def _give_roles(user: str, roles: tuple[str, ...]) -> None:
    """These alone: another test may have made the user, and the first user of Desk Frappe makes a System Manager."""
    held = {"parent": user, "parenttype": "User"}
    if set(frappe.get_all("Has Role", filters=held, pluck="role")) == set(roles):
        return
    document = frappe.get_doc("User", user)
    document.set("roles", [])
    document.append_roles(*roles)
    document.save(ignore_permissions=True)
    frappe.db.delete("Has Role", {**held, "role": ["not in", roles]} if roles else held)
    frappe.clear_cache(user=user)


def member(user: str, organization: str, role: str = "Member", **values: Any) -> None:
    """Make the user a member of the organization, unless there is a membership."""
    found = frappe.db.exists("Org Member", {"user": user, "organization": organization})
    if not found:
        row = {"doctype": "Org Member", "user": user, "organization": organization, "role": role, **values}
        frappe.get_doc(row).insert(ignore_permissions=True)


def job_type(name: str, handler: str = "nothing", **values: Any) -> str:
    """A Job Type `test_<name>` with a handler of tests/support, committed; no deduplication unless asked for."""
    type_name = f"test_{name}"
    if frappe.db.exists("Job Type", type_name):
        _delete_job_types(type_name)
    path = handler if "." in handler else f"{HANDLERS}.{handler}"
    defaults = {"deduplication_window": 0, "max_retries": 2}
    frappe.get_doc(
        {"doctype": "Job Type", "type_name": type_name, "handler_method": path, **defaults, **values}
    ).insert(ignore_permissions=True)
    frappe.db.commit()
    return type_name


def _delete_job_types(*names: str) -> None:
    """`frappe.delete_doc` takes half the time of a test's set-up: it looks for links to each."""
    if names:
        frappe.db.delete("Job Type", {"name": ["in", names]})
        for name in names:
            frappe.clear_document_cache("Job Type", name)


def delete_work(organizations: str) -> None:
    """Delete the jobs, batches, circuits and schedules of the organizations whose ids are like this, with history."""
    for doctype in ("Job Execution Log", "Background Job Run", "Background Job Dependency"):
        frappe.db.sql(
            f"DELETE h FROM `tab{doctype}` h JOIN `tabBackground Job` j ON j.name = h.background_job "
            "WHERE j.organization LIKE %s",
            organizations,
        )
    for doctype in ("Background Job", "Job Batch", "Job Circuit", "Job Schedule"):
        frappe.db.sql(f"DELETE FROM `tab{doctype}` WHERE organization LIKE %s", organizations)


def wipe() -> None:
    """Delete the jobs of test organizations with their history, and the test Job Types. Lift all limits and pauses."""
    connection.discard()
    frappe.set_user("Administrator")
    delete_work("Test %")
    frappe.db.sql("DELETE FROM `tabNote` WHERE title LIKE 'test %'")
    names = frappe.get_all("Job Type", pluck="name")
    _delete_job_types(*(name for name in names if name.startswith("test_")))  # Frappe 15 escapes the escape of LIKE
    free = "status = 'Active', is_paused = 0, weight = 1, max_running = 0, max_waiting = 0, on_queue_full = 'Reject'"
    frappe.db.sql(f"UPDATE `tabOrganization` SET {free} WHERE name LIKE 'Test %'")
    frappe.db.commit()  # a fresh snapshot: a web process writes when its users were last active
    frappe.db.sql("UPDATE `tabUser` SET enabled = 1 WHERE name LIKE 'test\\_%' AND enabled = 0")
    frappe.db.commit()


def dismiss() -> None:
    """Delete the memberships of test organizations."""
    frappe.db.sql("DELETE FROM `tabOrg Member` WHERE organization LIKE 'Test %'")
    frappe.db.commit()
