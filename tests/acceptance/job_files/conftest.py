"""A job with a file of its own, and somebody of another organization who knows the file's name.

Two kinds of files: one that the app's own handlers stored, and one that a handler inserted as a File of Frappe's.
"""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from tests.support import factory, processes
from tests.support.files import SECRET, delete_files, inserted, stored
from tests.support.http import Client
from tests.support.jobs import run, submitted_by


@pytest.fixture(scope="package")
def web(_connected: None) -> Iterator[str]:
    """One web app for all tests of this folder."""
    with processes.web_app() as url:
        yield url


@pytest.fixture
def job(alice):
    """A finished job of Alice's in Alpha."""
    made = submitted_by(alice, factory.job_type("note", "add_note"), title="test of files")
    assert run(made)["status"] == "Completed"
    before = set(frappe.get_all("File", filters={"owner": ["not like", "test_%"]}, pluck="name"))
    delete_files(before)  # those of a run that was broken off
    yield made
    frappe.db.rollback()
    frappe.set_user("Administrator")
    delete_files(before)


@pytest.fixture(params=[stored, inserted])
def file(request, job):
    """The job's file, with the secret in it."""
    made = request.param(job, SECRET.encode(), "Salaries.csv")
    frappe.db.commit()
    return made


@pytest.fixture
def bob_client(web, bob) -> Client:
    return Client(web).with_token(bob)
