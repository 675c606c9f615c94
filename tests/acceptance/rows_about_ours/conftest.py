"""The accounts that may not see what the rows are about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import frappe
import pytest

from tests.support import factory, http, processes, tenants
from tests.support.http import Client
from tests.support.rows_about_ours import ACTORS, SECRET, insert, removed


@pytest.fixture(scope="package")
def web(_connected: None) -> Iterator[str]:
    """One web app for all tests of this folder."""
    with processes.web_app() as url:
        yield url


@pytest.fixture(params=ACTORS)
def stranger(request, web) -> Client:
    http.forget_limits()
    return tenants.client_of(request.param, web)


@pytest.fixture
def reader(web) -> Client:
    """An account without any role."""
    return Client(web).with_token(factory.user("step_stranger", roles=()))


@pytest.fixture
def manager(web) -> Client:
    """A System Manager."""
    return Client(web).with_token(factory.user("step_manager", roles=("System Manager",)))


@pytest.fixture
def rows(site) -> Iterator[dict[str, Any]]:
    """A schedule of Alpha, rows about it, and rows about those."""
    values = {"title": "Test Step", "organization": factory.ALPHA, "job_type": "echo_job", "frequency": "Cron"}
    schedule = insert("Job Schedule", owner_user="Administrator", cron="0 0 1 1 *", **values)
    about = {"reference_doctype": "Job Schedule", "reference_name": schedule.name}
    mail = insert("Communication", subject=SECRET, content=SECRET, communication_type="Communication", **about)
    task = insert("ToDo", description=SECRET, reference_type="Job Schedule", reference_name=schedule.name)
    to_schedule = {"attached_to_doctype": "Job Schedule", "attached_to_name": schedule.name}
    file = insert("File", file_name=f"{SECRET}.txt", content=SECRET, is_private=1, **to_schedule)
    made = {"mail": mail, "task": task, "file": file}
    for name, row in list(made.items()):
        attached = {"attached_to_doctype": row.doctype, "attached_to_name": row.name}
        if name != "file":
            values = {"file_name": f"{SECRET}-{name}.txt", "content": name, "is_private": 1}
            made[f"file of {name}"] = insert("File", **values, **attached)
        tag = {"document_type": row.doctype, "document_name": row.name, "title": SECRET, "tag": "test-step"}
        made[f"tag of {name}"] = insert("Tag Link", **tag)
        about = {"reference_doctype": row.doctype, "reference_name": row.name}
        made[f"comment on {name}"] = insert("Comment", comment_type="Comment", content=SECRET, **about)
    frappe.db.commit()
    yield made | {"schedule": schedule}
    removed(*reversed(list(made.values())), schedule)
