"""The organization of a job that an event of a document submits, with an adapter whose organizations are documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import frappe
import pytest

from dartwing_core import hooks, install
from dartwing_core.jobs import InvalidJobError, list_jobs
from dartwing_core.jobs.operations import document_events, hook_check
from tests.support import database, factory, records, tenancy_hook
from tests.support.sessions import as_user
from tests.support.settings import settings
from tests.support.tenancy_hook import COMPANY

NORTH, SOUTH = "test North", "test South"
INVOICE, TRANSFER, SLIP, LEASE = "Test Invoice", "Test Transfer", "Test Slip", "Test Lease"
LINKS = {
    INVOICE: ("represents_gender", "gender"),  # as company in ERPNext: the field is named as its DocType
    TRANSFER: ("from_gender", "to_gender"),
    LEASE: ("owned_by",),
    SLIP: (),
}
pytestmark = pytest.mark.usefixtures("no_sweeps")


def without_organization(document: Any) -> dict[str, Any]:
    """A function that an app names."""
    return {"job_type": "test_plain"}


def with_organization(document: Any) -> dict[str, Any]:
    return {"job_type": "test_plain", "organization": SOUTH}


@pytest.fixture(scope="module", autouse=True)
def doctypes(_connected: None) -> Iterator[None]:
    permission = {"role": "Dartwing User", **dict.fromkeys(("read", "create", "write"), 1)}
    for doctype, names in LINKS.items():
        fields = [{"fieldname": name, "fieldtype": "Link", "options": COMPANY, "label": name} for name in names]
        title = {"fieldname": "title", "fieldtype": "Data", "label": "Title"}
        records.make_doctype(doctype, [title, *fields], [permission, {}])
    frappe.db.commit()
    yield
    records.remove_doctypes(*LINKS)


@pytest.fixture
def declare(site, tmp_path, monkeypatch) -> Iterator[Callable[[str], None]]:
    """Makes inserts of all these documents submit a job, on a site with the adapter and the default North."""
    for name in (NORTH, SOUTH):
        if not frappe.db.exists(COMPANY, name):
            frappe.get_doc({"doctype": COMPANY, "gender": name}).insert()
    factory.job_type("plain")
    frappe.db.commit()

    def set_hook(name: str) -> None:
        by_doctype = {doctype: {"after_insert": name} for doctype in LINKS}
        monkeypatch.setattr(hooks, document_events.HOOK, by_doctype, raising=False)
        frappe.clear_cache()

    with tenancy_hook.app(tmp_path) as app, tenancy_hook.hook(f"{app}.company_tenancy"):
        install.follow_adapter()
        with settings(default_organization=NORTH):
            yield set_hook
        frappe.db.delete("User Permission", {"allow": COMPANY})
        frappe.db.delete("Background Job", {"organization": ["in", [NORTH, SOUTH]]})
        frappe.db.delete(COMPANY, {"name": ["like", "test %"]})
        frappe.db.commit()
    install.follow_adapter()
    frappe.db.commit()
    frappe.cache.delete_key("user_permissions")


def inserted(doctype: str, **values: Any):
    return frappe.get_doc({"doctype": doctype, **values}).insert()


def organizations_of(document: Any) -> list[str]:
    return [job["organization"] for job in list_jobs(reference=document)["jobs"]]


@pytest.mark.parametrize("name", ["test_plain", f"{__name__}.without_organization"])
def test_a_job_is_of_the_documents_company(declare, name):
    # Seen failing: jobs of South were in North, whose admins saw the document's name and the parameters.
    declare(name)
    assert organizations_of(inserted(INVOICE, gender=SOUTH, represents_gender=NORTH)) == [SOUTH]
    assert organizations_of(inserted(LEASE, owned_by=SOUTH)) == [SOUTH]


def test_a_function_may_name_another_one(declare):
    declare(f"{__name__}.with_organization")
    assert organizations_of(inserted(INVOICE, gender=NORTH)) == [SOUTH]
    assert organizations_of(inserted(TRANSFER)) == [SOUTH]


def test_only_a_doctype_without_a_company_has_jobs_of_the_default_one(declare):
    # Seen failing: an invoice without a company had a job in North.
    declare("test_plain")
    assert organizations_of(inserted(SLIP)) == [NORTH]
    said = "Test Invoice, event after_insert: the job of the document was refused. gender is empty, and says"
    with pytest.raises(InvalidJobError, match=said):
        inserted(INVOICE, represents_gender=SOUTH)
    with pytest.raises(InvalidJobError, match="Several of its fields name an organization: from_gender, to_gender"):
        inserted(TRANSFER, from_gender=SOUTH)


def test_those_who_are_no_members_hear_of_which_document_company_and_event(declare):
    # Seen failing: "You are not a member of the organization", to somebody who had submitted an invoice.
    declare("test_plain")
    clerk = factory.user("clerk")
    row = {"doctype": "User Permission", "user": clerk, "allow": COMPANY, "for_value": NORTH}
    frappe.get_doc(row | {"applicable_for": "Background Job", "apply_to_all_doctypes": 0}).insert()
    frappe.db.commit()
    with pytest.raises(frappe.PermissionError) as refused:
        as_user(clerk, inserted, INVOICE, gender=SOUTH)
    assert str(refused.value) == (
        "Test Invoice, event after_insert: the job of the document, for test South, was refused. "
        "You are not a member of the organization. Ask an administrator to permit it."
    )


def test_the_company_costs_no_statement(declare):
    declare(f"{__name__}.with_organization")
    inserted(INVOICE, gender=SOUTH)
    with database.statements() as named:
        inserted(INVOICE, gender=SOUTH)
    declare("test_plain")
    inserted(INVOICE, gender=SOUTH)
    with database.statements() as found:
        inserted(INVOICE, gender=SOUTH)
    assert len(found) <= len(named)


def test_a_doctype_whose_jobs_have_no_organization_is_told(declare):
    # Seen failing: nothing was said, and no document of this DocType could be saved.
    declare("test_plain")
    start = f"dartwing_core, hook {document_events.HOOK}"
    several = (
        f'{start}["{TRANSFER}"]["after_insert"]: several fields of {TRANSFER} name an organization: '
        "from_gender, to_gender. Name a function that decides."
    )
    assert hook_check.find_problems() == [several]
    with settings(default_organization=None):
        assert hook_check.find_problems() == [
            several,
            f'{start}["{SLIP}"]["after_insert"]: {SLIP} has no field that names the organization, and no Default '
            "Organization is set. Set one, or name a function that decides.",
        ]
    declare(f"{__name__}.without_organization")
    assert hook_check.find_problems() == []
