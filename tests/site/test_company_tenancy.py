"""The example adapter: tenants by User Permissions. A DocType that every site has stands for ERPNext's Company."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import frappe
import pytest

from dartwing_core.jobs import list_jobs, submit_job
from dartwing_core.jobs.access import tenancy
from tests.support import factory
from tests.support.jobs import run, status
from tests.support.sessions import as_user

NORTH, SOUTH = "test North", "test South"
EXAMPLE = Path(__file__).parents[2] / "examples" / "company_tenancy.py"
pytestmark = pytest.mark.usefixtures("no_sweeps")


@pytest.fixture(autouse=True)
def companies(site, monkeypatch) -> Iterator[ModuleType]:
    """Two companies of the example's adapter, which is the site's."""
    spec = importlib.util.spec_from_file_location("company_tenancy", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "COMPANY", "Gender")
    monkeypatch.setattr(tenancy, "adapter", lambda: example)
    for name in (NORTH, SOUTH):
        if not frappe.db.exists("Gender", name):
            frappe.get_doc({"doctype": "Gender", "gender": name}).insert()
    frappe.db.commit()
    yield example
    frappe.db.rollback()
    frappe.db.delete("User Permission", {"allow": "Gender"})
    frappe.db.delete("Background Job", {"organization": ["in", [NORTH, SOUTH]]})
    frappe.db.delete("Gender", {"name": ["like", "test %"]})
    frappe.db.commit()
    frappe.cache.delete_key("user_permissions")


def clerk_of(*permitted: str, roles: tuple[str, ...] = ()) -> str:
    user = factory.user(f"clerk_{len(permitted)}_{len(roles)}", roles=("Dartwing User", *roles))
    for name in permitted:
        row = {"doctype": "User Permission", "user": user, "allow": "Gender", "for_value": name}
        frappe.get_doc(row).insert(ignore_permissions=True)
    frappe.db.commit()
    return user


def submitted(user: str, company: str):
    made = as_user(user, submit_job, factory.job_type("plain"), company)
    frappe.db.commit()
    return made


def test_user_permissions_say_for_which_companies_one_submits():
    clerk = clerk_of(NORTH)
    made = submitted(clerk, NORTH)
    run(made)
    assert status(made) == "Completed"
    for other in (SOUTH, "test Nowhere"):
        with pytest.raises(frappe.PermissionError, match="not a member"):
            submitted(clerk, other)
        frappe.db.rollback()


def test_a_job_is_seen_by_its_owner_and_by_managers_of_its_company(companies, monkeypatch):
    monkeypatch.setattr(companies, "ADMIN_ROLE", "Dashboard Manager")
    made = submitted(clerk_of(NORTH, SOUTH), NORTH)
    manager, foreign = clerk_of(NORTH, roles=("Dashboard Manager",)), clerk_of(SOUTH)
    assert [row["job_id"] for row in as_user(manager, list_jobs)["jobs"]] == [made.name]
    assert as_user(foreign, list_jobs)["total"] == 0


def test_without_a_user_permission_one_belongs_to_all_that_one_may_read(companies, monkeypatch):
    everyone = clerk_of()
    for may_read in (True, False):
        monkeypatch.setattr(frappe, "has_permission", lambda *_given, is_there=may_read, **_named: is_there)
        found = companies.orgs_of(everyone)
        assert {NORTH, SOUTH} <= set(found) if may_read else found == []
