"""Results that are for the owner alone, asked for over HTTP by an admin of the organization."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs import submit_job
from tests.support import contents, factory, files, http
from tests.support.http import Client
from tests.support.jobs import run

JOB = "Background Job"
SECRET = "s3cret-of-the-owner"
LISTS = ("get_list", "get_value", "report", "resource list")
"""No list of Frappe's holds a sealed field."""


@pytest.fixture
def job(site, alice):
    """A completed job of Alice's with a result, an outcome and a file; none of its parameters says the secret."""
    http.forget_limits()
    job_type = factory.job_type("store", "add_note", results_visible_to="Owner Only")
    frappe.db.commit()
    frappe.set_user(alice)
    made = submit_job(job_type, factory.ALPHA, {"title": "test"})
    frappe.db.commit()
    frappe.set_user("Administrator")
    assert run(made)["status"] == "Completed"
    values = {"result": json.dumps({"text": SECRET}), "output_reference": SECRET}
    contents.store(made.name, values)
    return files.given(made, SECRET.encode(), f"{SECRET}.txt").name


def asked_by(client: Client, name: str) -> dict[str, str]:
    """What each way answers."""

    def method(path: str, **arguments: object) -> str:
        params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in arguments.items()}
        return client.http.get(f"{client.url}/api/method/{path}", params=params, timeout=60).text

    def page(path: str) -> str:
        return client.http.get(f"{client.url}{path}", timeout=60).text

    filters = {"name": name}
    fields = ["name", "result", "output_reference"]
    columns = json.dumps([f"`tab{JOB}`.`{field}`" for field in fields])
    return {
        "status": client.get("get_job_status", job_id=name).text,
        "details": client.get("get_job_details", job_id=name).text,
        "list": client.get("list_jobs", limit=100).text,
        "document": page(f"/api/resource/{JOB}/{name}"),
        "resource list": page(f"/api/resource/{JOB}?fields={json.dumps(fields)}&filters={json.dumps(filters)}"),
        "get_list": method("frappe.client.get_list", doctype=JOB, fields=fields, filters=filters),
        "get_value": method("frappe.client.get_value", doctype=JOB, fieldname=fields, filters=filters),
        "get": method("frappe.client.get", doctype=JOB, name=name),
        "getdoc": method("frappe.desk.form.load.getdoc", doctype=JOB, name=name),
        "report": method("frappe.desk.reportview.get", doctype=JOB, fields=columns, filters=filters),
        "export": method(
            "frappe.desk.reportview.export_query",
            doctype=JOB,
            fields=columns,
            filters=filters,
            file_format_type="CSV",
            title=JOB,
        ),
        "print": page(f"/printview?doctype={JOB}&name={name}"),
        "file": client.get("download_file", job_id=name, name=f"{SECRET}.txt").text,
    }


def test_only_the_owner_gets_them(web, job, alice):
    admin = factory.user("ada", factory.ALPHA, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))
    frappe.db.commit()
    # So that each way is one that shows results at all.
    silent = {way for way, text in asked_by(Client(web).with_token(alice), job).items() if SECRET not in text}
    assert silent <= {"export", "print", *LISTS}, silent
    asked = asked_by(Client(web).with_token(admin), job)
    told = {way for way, text in asked.items() if SECRET in text.replace(f"{SECRET}.txt", "")}  # the error names it
    assert told == set()
