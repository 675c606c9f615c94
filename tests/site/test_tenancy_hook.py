"""The hook `background_job_tenancy` names a module, an object of one, or a class."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.jobs import submit_job
from dartwing_core.jobs.access import tenancy
from dartwing_core.jobs.errors import TenancyHookError
from tests.support import tenancy_hook

NORTH = "test North"


@pytest.fixture
def app(site, tmp_path) -> Iterator[str]:
    """The app with the example adapter, and a company."""
    if not frappe.db.exists(tenancy_hook.COMPANY, NORTH):
        frappe.get_doc({"doctype": tenancy_hook.COMPANY, "gender": NORTH}).insert()
    with tenancy_hook.app(tmp_path) as name:
        yield name
    frappe.db.rollback()


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
