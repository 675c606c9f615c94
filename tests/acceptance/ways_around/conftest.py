"""A job with a secret, and somebody of another organization who looks for ways around the permissions."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.wall import by_request
from tests.support import factory, processes
from tests.support.http import Client
from tests.support.jobs import run, submitted_by
from tests.support.sent_sql import JOB, SECRET


@pytest.fixture(scope="package")
def web(_connected: None) -> Iterator[str]:
    """One web app for all tests of this folder."""
    with processes.web_app() as url:
        yield url


@pytest.fixture
def job(alice):
    """A failed job of Alice's in Alpha, with a secret in its parameters and a private file."""
    job_type = factory.job_type("note", "add_note", max_retries=0)
    frappe.db.commit()
    made = submitted_by(alice, job_type, title=SECRET, then="fail_for_good")
    assert run(made)["status"] == "Dead Letter"
    file = frappe.get_doc(
        doctype="File",
        file_name=f"{made.name}.csv",
        content=SECRET,
        is_private=1,
        attached_to_doctype=JOB,
        attached_to_name=made.name,
    ).insert(ignore_permissions=True)
    frappe.db.commit()
    yield made, file
    frappe.db.rollback()
    file.delete(ignore_permissions=True)
    frappe.db.commit()


@pytest.fixture
def stranger(web, bob) -> Client:
    return Client(web).with_token(bob)


@pytest.fixture
def within_frappe(bob) -> Iterator[None]:
    """As in a function of Frappe's that Bob has called."""
    frappe.set_user(bob)
    by_request.watch(by_frappe=True)
    yield
    frappe.flags.pop(by_request.FLAG)
    frappe.set_user("Administrator")
    frappe.db.rollback()
