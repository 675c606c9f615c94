"""Links to organizations lead to the DocType of the example's adapter. Gender stands for Company."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import frappe
import pytest

from dartwing_core import install
from dartwing_core.dartwing_core.doctype.job_engine_settings.job_engine_settings import set_default_organization
from dartwing_core.jobs import InvalidJobError, list_jobs, submit_job
from tests.support import factory, schedules, tenancy_hook
from tests.support.sessions import as_user
from tests.support.settings import settings
from tests.support.tenancy_hook import COMPANY

NORTH, SOUTH = "test North", "test South"
pytestmark = pytest.mark.usefixtures("no_sweeps")


def make_companies() -> None:
    for name in (NORTH, SOUTH):
        if not frappe.db.exists(COMPANY, name):
            frappe.get_doc({"doctype": COMPANY, "gender": name}).insert()
    frappe.db.commit()


@pytest.fixture
def linked(site, tmp_path) -> Iterator[None]:
    """A site with the example's adapter, whose app has led the links there."""
    make_companies()
    with tenancy_hook.app(tmp_path) as app, tenancy_hook.hook(f"{app}.company_tenancy"):
        importlib.import_module(f"{app}.company_tenancy").link_forms()
        frappe.db.commit()
        yield
    frappe.db.rollback()
    frappe.db.delete("User Permission", {"allow": COMPANY})
    for doctype in ("Background Job", "Job Schedule"):
        frappe.db.delete(doctype, {"organization": ["in", [NORTH, SOUTH]]})
    frappe.db.delete(COMPANY, {"name": ["like", "test %"]})
    frappe.db.delete("Property Setter", {"field_name": ["in", ["organization", "default_organization"]]})
    frappe.db.commit()
    frappe.clear_cache()


def permit(user: str, company: str) -> str:
    row = {"doctype": "User Permission", "user": user, "allow": COMPANY, "for_value": company}
    frappe.get_doc(row).insert(ignore_permissions=True)
    frappe.db.commit()
    return user


def submitted(company: str):
    made = submit_job(factory.job_type("plain"), company)
    frappe.db.commit()
    return made.name


def test_a_schedule_is_made_for_a_company(linked, job_type):
    # Seen failing: "Could not find Organization: test North".
    assert schedules.made(job_type, organization=NORTH).organization == NORTH
    with pytest.raises(frappe.LinkValidationError):
        schedules.made(job_type, organization=factory.ALPHA)


def test_an_install_says_that_the_adapter_knows_no_such_company(linked, monkeypatch, capsys):
    # Seen failing: an Organization of this name was made, which no job can be for.
    monkeypatch.setitem(frappe.conf, "job_engine_default_organization", "test Nowhere")
    install.after_install()
    frappe.db.rollback()
    assert "test Nowhere not found" in capsys.readouterr().err


def test_jobs_and_schedules_follow_a_rename(linked, job_type):
    made, schedule = submitted(NORTH), schedules.made(job_type, organization=NORTH)
    frappe.rename_doc(COMPANY, NORTH, "test Moved", force=True)
    for doctype, name in (("Background Job", made), ("Job Schedule", schedule.name)):
        assert frappe.db.get_value(doctype, name, "organization") == "test Moved"
        frappe.db.delete(doctype, name)


def test_a_company_is_the_default_one(linked, job_type):
    with settings(default_organization=NORTH):
        assert submit_job(job_type).organization == NORTH
        frappe.db.rollback()
        assert set_default_organization(SOUTH) == SOUTH
        with pytest.raises(InvalidJobError, match="not found"):
            set_default_organization("test Nowhere")
        assert not frappe.db.exists("Organization", {"org_name": ["like", "test %"]}), "none is made"


def test_user_permissions_take_no_jobs_from_those_who_see_them(linked):
    # Seen failing: a System Manager with a User Permission for one company lost the others' jobs in Desk alone.
    names = {submitted(NORTH), submitted(SOUTH)}
    manager = permit(factory.user("max", roles=("System Manager",)), NORTH)
    for found in (
        {row["job_id"] for row in as_user(manager, list_jobs)["jobs"]},
        {*as_user(manager, frappe.get_list, "Background Job", pluck="name", limit=0)},
        {name for name in names if frappe.has_permission("Background Job", doc=name, user=manager)},
    ):
        assert found >= names
    with settings(default_organization=SOUTH):
        assert frappe.has_permission("Job Engine Settings", doc="Job Engine Settings", user=manager)


def test_a_members_list_holds_no_other_jobs(linked):
    submitted(NORTH)
    clerk = permit(factory.user("clerk"), NORTH)
    own = as_user(clerk, submitted, NORTH)
    assert as_user(clerk, frappe.get_list, "Background Job", pluck="name") == [own]
