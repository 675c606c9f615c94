"""What stands in front of Frappe, in this process: what it costs others, and whose links it checks."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from benchmarks.guard import OTHERS
from dartwing_core.api import guard, links
from dartwing_core.api.hidden_fields import HIDDEN
from dartwing_core.jobs.desk_access import TENANT_DOCTYPES
from tests.support import records, tenants, web_request
from tests.support.database import statements

LINKING = "Test Guarded"
JOB = "Background Job"
FETCH = {"fieldname": "error", "fieldtype": "Data", "label": "Error", "fetch_from": "job.error_message"}


@pytest.mark.parametrize("title", OTHERS)
def test_a_request_that_names_nothing_of_ours_costs_no_statement(site, title):
    method, path, arguments = OTHERS[title]
    with web_request.made(method, path, tenants.email_of("roleless"), arguments):
        guard.check_request()  # fills the caches
        with statements() as seen:
            guard.check_request()
    assert seen == []


@pytest.fixture
def hidden(site) -> Iterator[str]:
    """A job of somebody else's, and a DocType whose documents copy from jobs."""
    fields = [{"fieldname": "job", "fieldtype": "Link", "options": JOB, "label": "Job"}, FETCH]
    permissions = [{"role": "All", "read": 1, "write": 1, "create": 1}]
    records.make_doctype(LINKING, fields, permissions, module="Core")
    job = tenants.targets("user")["alpha"].name
    frappe.db.set_value(JOB, job, "error_message", "s3cret")
    frappe.set_user(tenants.email_of("user"))
    yield job
    frappe.flags.pop(links.FLAG, None)
    records.remove_doctypes(LINKING)


def linked(job: str, **flags: bool):
    document = frappe.get_doc({"doctype": LINKING, "job": job})
    document.flags.update(flags)
    return document.insert()


def test_the_user_whom_frappe_imports_for_in_the_background_gets_nothing_of_a_hidden_job(hidden):
    links.before_job(method="frappe.core.doctype.data_import.data_import.start_import", kwargs={})
    for spelled in (hidden, hidden + " " * 300, f"{hidden}\u200b"):
        with pytest.raises(frappe.DoesNotExistError):
            linked(spelled, ignore_permissions=True)


def test_code_of_other_apps_that_asks_for_no_permission_links_as_before(hidden):
    links.before_job(method="other_app.tasks.make", kwargs={})
    assert linked(hidden, ignore_permissions=True).job == hidden
    with pytest.raises(frappe.DoesNotExistError):
        linked(hidden)


def test_scripts_and_sites_without_this_app_are_not_asked(hidden):
    # The wrapped method is of the process, which serves other sites too: no hook of ours has run there.
    frappe.flags.pop(links.FLAG, None)
    assert linked(hidden + " ").job == hidden, "as the database has it"


def test_what_one_sees_is_linked_to_and_copied(hidden):
    frappe.set_user("Administrator")
    own = tenants.targets("user")["own"].name
    frappe.set_user(tenants.email_of("user"))
    links.watch(by_frappe=True)
    assert linked(own).error == "s3cret-own"


def test_the_guard_knows_all_fields_that_have_a_permission_level():
    for doctype in TENANT_DOCTYPES:
        levels = {field.fieldname for field in frappe.get_meta(doctype).fields if field.permlevel}
        assert levels == set(HIDDEN.get(doctype, ())), doctype
