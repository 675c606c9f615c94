"""The hook `background_job_tenancy` names a module, an object of one, or a class."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.jobs import get_job_status, submit_job
from dartwing_core.jobs.access import tenancy
from dartwing_core.jobs.access.standing import Limits
from dartwing_core.jobs.errors import TenancyHookError
from tests.support import attempts, tenancy_hook
from tests.support.sessions import committed

NORTH, SOUTH = "test North", "test South"


@pytest.fixture
def app(site, tmp_path) -> Iterator[str]:
    """The app with the example adapter, and two companies."""
    for company in (NORTH, SOUTH):
        if not frappe.db.exists(tenancy_hook.COMPANY, company):
            frappe.get_doc({"doctype": tenancy_hook.COMPANY, "gender": company}).insert()
    with tenancy_hook.app(tmp_path) as name:
        yield name
    frappe.db.rollback()
    committed(frappe.db.delete, tenancy_hook.COMPANY, {"name": ["like", "test %"]})


@pytest.mark.parametrize("named", ["company_tenancy", "classes.Tenancy"])
def test_a_submit_asks_what_the_hook_names(app, job_type, named):
    # Seen failing: `frappe.get_attr` imports no submodule, so the documented line raised AttributeError.
    with tenancy_hook.hook(f"{app}.{named}"):
        assert submit_job(job_type, NORTH).organization == NORTH
    frappe.db.rollback()
    with pytest.raises(frappe.ValidationError, match="not found"):
        submit_job(job_type, NORTH)


@pytest.mark.parametrize("named", ["nowhere", "nowhere.deeper", "company_tenancy.nothing", "classes.Tenancy.x.y"])
def test_what_is_not_there_is_said_with_the_hook(app, named):
    with tenancy_hook.hook(f"{app}.{named}"), pytest.raises(TenancyHookError) as refused:
        tenancy.adapter()
    assert "background_job_tenancy" in str(refused.value)
    assert f"{app}.{named}" in str(refused.value)


def test_an_error_within_the_module_is_its_own(app):
    with tenancy_hook.hook(f"{app}.broken"), pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
        tenancy.adapter()


def test_an_organization_without_limits_of_its_own_stops_nobody(app, job_type):
    # Seen failing: KeyError in each look at the queues, so that no job of the site started.
    with tenancy_hook.hook(f"{app}.company_tenancy"):
        jobs = [submit_job(job_type, company) for company in (NORTH, SOUTH)]
        frappe.db.commit()
    with tenancy_hook.hook(f"{app}.classes.Forgetful"):
        assert sorted(attempts.run_all()) == sorted(job.name for job in jobs)
        assert [get_job_status(job.name)["status"] for job in jobs] == ["Completed", "Completed"]
        assert tenancy.limits_of([NORTH, SOUTH, "test Nowhere"]) == {
            NORTH: Limits(weight=2),
            SOUTH: Limits(),
            "test Nowhere": Limits(None),
        }
