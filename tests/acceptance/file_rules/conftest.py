"""Users of Test Alpha and others, and what they attach files to."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from tests.support import factory, files, tenants
from tests.support.http import Client


@pytest.fixture(autouse=True)
def kept(site) -> Iterator[set[str]]:
    """The Files that were there before; all others are removed."""
    before = set(frappe.get_all("File", pluck="name"))
    yield before
    frappe.db.rollback()
    files.delete_files(before)


@pytest.fixture
def member(web) -> Client:
    """A member of Test Alpha."""
    return Client(web).with_token(factory.user("file_member", factory.ALPHA))


@pytest.fixture
def admin(web) -> Client:
    """An admin of Test Alpha, who may change it."""
    return Client(web).with_token(tenants.email_of("admin_a"))


@pytest.fixture
def stranger(web) -> Client:
    """An account without any role."""
    return Client(web).with_token(factory.user("file_stranger", roles=()))


@pytest.fixture
def of_schedule(kept) -> Iterator[dict[str, str]]:
    """Attached to a schedule of Test Alpha, which its admins may change."""
    values = {"title": "Test Files", "organization": factory.ALPHA, "job_type": "echo_job"}
    values |= {"owner_user": "Administrator", "frequency": "Cron", "cron": "0 0 1 1 *"}
    made = frappe.get_doc({"doctype": "Job Schedule", **values}).insert()
    frappe.db.commit()
    yield {"attached_to_doctype": made.doctype, "attached_to_name": made.name}
    frappe.db.rollback()
    files.delete_files(kept)
    made.delete()
    frappe.db.commit()
