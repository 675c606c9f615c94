"""The matrix of writing: every kind of user × every way to write × every job. Only the engine writes jobs, whoever asks
(regressions 3, 6, 7); the engine's own operations are for those who see the job."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import frappe
import pytest
import requests

from dartwing_core.jobs.base import clock
from tests.support import database, tenants
from tests.support.http import Client
from tests.support.tenants import ACTORS, TARGETS, Target

pytestmark = pytest.mark.usefixtures("fresh_limits")

JOB, RUN, LOG = "Background Job", "Background Job Run", "Job Execution Log"
BATCH, DEPENDENCY = "Job Batch", "Background Job Dependency"
Call = Callable[[Client, Target], requests.Response]


def call(name: str, /, **arguments: Any) -> Call:
    """A POST of a whitelisted function; "$" in a value stands for the job's id."""
    return request("POST", f"/api/method/{name}", **arguments)


def request(verb: str, path: str, /, **body: Any) -> Call:
    def send(client: Client, target: Target) -> requests.Response:
        data = json.loads(json.dumps(body).replace("$", target.name))
        return client.http.request(verb, client.url + path.replace("$", target.name), json=data, timeout=60)

    return send


def upload(client: Client, target: Target) -> requests.Response:
    fields = {"doctype": JOB, "docname": target.name, "is_private": "1"}
    files = {"file": ("x.txt", b"x", "text/plain")}
    return client.http.post(f"{client.url}/api/method/upload_file", data=fields, files=files, timeout=60)


def text(**values: Any) -> str:
    return json.dumps(values)


DOC = {"doctype": JOB, "name": "$", "status": "Queued", "owner_user": "Guest", "organization": "Test Alpha"}
CLIENT, DESK = "frappe.client", "frappe.desk"

# fmt: off
WRITES: dict[str, Call] = {
    # Frappe's REST
    "resource POST": request("POST", f"/api/resource/{JOB}", job_type="echo_job", organization="Test Alpha"),
    "resource POST with name": request("POST", f"/api/resource/{JOB}", **DOC),
    "resource PUT": request("PUT", f"/api/resource/{JOB}/$", status="Queued"),
    "resource PUT owner": request("PUT", f"/api/resource/{JOB}/$", owner_user="Guest", owner="Guest"),
    "resource PUT of attempt": request("PUT", f"/api/resource/{RUN}/$-1", outcome="Failed"),
    "resource method": request("POST", f"/api/resource/{JOB}/$?run_method=db_set", fieldname="status", value="Queued"),
    "v2 PATCH": request("PATCH", f"/api/v2/document/{JOB}/$", input_parameters="{}"),
    "v2 POST": request("POST", f"/api/v2/document/{JOB}", **DOC),
    "v2 method": request("POST", f"/api/v2/document/{JOB}/$/method/db_set", fieldname="status", value="Queued"),
    # frappe.client
    "client.insert": call(f"{CLIENT}.insert", doc=DOC),
    "client.insert_many": call(f"{CLIENT}.insert_many", docs=[DOC]),
    "client.insert log": call(
        f"{CLIENT}.insert", doc={"doctype": LOG, "background_job": "$", "to_status": "Failed", "message": "x"}
    ),
    "client.insert attempt": call(f"{CLIENT}.insert", doc={"doctype": RUN, "background_job": "$", "attempt": 9}),
    "client.save": call(f"{CLIENT}.save", doc=DOC),
    "client.set_value": call(f"{CLIENT}.set_value", doctype=JOB, name="$", fieldname="status", value="Queued"),
    "client.set_value of several": call(
        f"{CLIENT}.set_value", doctype=JOB, name="$", fieldname=text(owner_user="Guest", retry_count=7)
    ),
    "client.bulk_update": call(f"{CLIENT}.bulk_update", docs=json.dumps([{**DOC, "docname": "$"}])),
    "client.submit": call(f"{CLIENT}.submit", doc=DOC),
    "client.cancel": call(f"{CLIENT}.cancel", doctype=JOB, name="$"),
    "client.rename_doc": call(f"{CLIENT}.rename_doc", doctype=JOB, old_name="$", new_name="JOB-RENAMED"),
    "client.attach_file": call(
        f"{CLIENT}.attach_file", filename="x.txt", filedata="eA==", decode_base64=1, doctype=JOB, docname="$",
        docfield="output_reference", is_private=1,
    ),
    # batches and dependencies
    "resource POST of batch": request("POST", f"/api/resource/{BATCH}", organization="Test Alpha", status="Running"),
    "resource PUT of batch": request("PUT", f"/api/resource/{BATCH}/BATCH-$", status="Completed"),
    "client.set_value of batch": call(
        f"{CLIENT}.set_value", doctype=BATCH, name="BATCH-$", fieldname="owner_user", value="Guest"
    ),
    "batch method": request("POST", f"/api/resource/{BATCH}/BATCH-$?run_method=db_set", fieldname="status", value="x"),
    "rename of batch": call(f"{CLIENT}.rename_doc", doctype=BATCH, old_name="BATCH-$", new_name="BATCH-RENAMED"),
    "tag of batch": call(f"{DESK}.doctype.tag.tag.add_tag", tag="urgent", dt=BATCH, dn="BATCH-$"),
    "like of batch": call(f"{DESK}.like.toggle_like", doctype=BATCH, name="BATCH-$", add="Yes"),
    "share of batch": call(
        "frappe.share.add", doctype=BATCH, name="BATCH-$", user="test_bob@example.com", read=1, write=1
    ),
    "client.insert dependency": call(
        f"{CLIENT}.insert", doc={"doctype": DEPENDENCY, "background_job": "$", "depends_on": "JOB-X"}
    ),
    "cancel of batch by GET": request("GET", "/api/method/dartwing_core.api.jobs.cancel_batch?batch_id=BATCH-$"),
    "retry of batch by GET": request("GET", "/api/method/dartwing_core.api.jobs.retry_batch?batch_id=BATCH-$"),
    # Desk
    "savedocs": call(f"{DESK}.form.save.savedocs", doc=json.dumps(DOC), action="Save"),
    "savedocs new": call(f"{DESK}.form.save.savedocs", doc=json.dumps({**DOC, "__islocal": 1}), action="Save"),
    "form cancel": call(f"{DESK}.form.save.cancel", doctype=JOB, name="$"),
    "run_doc_method": call("run_doc_method", dt=JOB, dn="$", method="db_set", args=text(fieldname="status")),
    "bulk update": call(
        f"{DESK}.doctype.bulk_update.bulk_update.submit_cancel_or_update_docs",
        doctype=JOB, docnames=json.dumps(["$"]), action="update", data=text(status="Queued"),
    ),
    "bulk submit": call(
        f"{DESK}.doctype.bulk_update.bulk_update.submit_cancel_or_update_docs",
        doctype=JOB, docnames=json.dumps(["$"]), action="submit",
    ),
    "rename": call("frappe.model.rename_doc.update_document_title", doctype=JOB, docname="$", name="JOB-RENAMED"),
    "retitle": call("frappe.model.rename_doc.update_document_title", doctype=JOB, docname="$", title="x"),
    "calendar": call(
        f"{DESK}.calendar.update_event", args=text(doctype=JOB, name="$", start="2026-01-01"),
        field_map=text(start="started_at"),
    ),
    "gantt": call(f"{DESK}.gantt.update_task", args=text(doctype=JOB, name="$"), field_map=text(start="started_at")),
    "workflow": call("frappe.model.workflow.apply_workflow", doc=json.dumps(DOC), action="Approve"),
    "bulk workflow": call(
        "frappe.model.workflow.bulk_workflow_approval", docnames=json.dumps(["$"]), doctype=JOB, action="Approve"
    ),
    "assign": call(
        f"{DESK}.form.assign_to.add", assign_to=json.dumps(["test_bob@example.com"]), doctype=JOB, name="$",
        description="x",
    ),
    "assign several": call(
        f"{DESK}.form.assign_to.add_multiple", assign_to=json.dumps(["test_bob@example.com"]), doctype=JOB,
        name=json.dumps(["$"]), description="x",
    ),
    "a ToDo on it": call(
        f"{CLIENT}.insert",
        doc={"doctype": "ToDo", "description": "x", "reference_type": JOB, "reference_name": "$"},
    ),
    "tag": call(f"{DESK}.doctype.tag.tag.add_tag", tag="urgent", dt=JOB, dn="$"),
    "tags": call(f"{DESK}.doctype.tag.tag.add_tags", tags=json.dumps(["urgent"]), dt=JOB, docs=json.dumps(["$"])),
    "untag": call(f"{DESK}.doctype.tag.tag.remove_tag", tag="urgent", dt=JOB, dn="$"),
    "a Tag Link on it": call(
        f"{CLIENT}.insert", doc={"doctype": "Tag Link", "tag": "urgent", "document_type": JOB, "document_name": "$"}
    ),
    "like": call(f"{DESK}.like.toggle_like", doctype=JOB, name="$", add="Yes"),
    "share": call("frappe.share.add", doctype=JOB, name="$", user="test_bob@example.com", read=1, write=1),
    "share permission": call(
        "frappe.share.set_permission", doctype=JOB, name="$", user="test_bob@example.com", permission_to="read"
    ),
    "a DocShare on it": call(
        f"{CLIENT}.insert",
        doc={"doctype": "DocShare", "user": "test_bob@example.com", "share_doctype": JOB, "share_name": "$", "read": 1},
    ),
    "follow": call(f"{DESK}.form.document_follow.update_follow", doctype=JOB, doc_name="$", following=True),
    "upload": upload,
    "e-mail": call(
        "frappe.core.doctype.communication.email.make", doctype=JOB, name="$", content="x", subject="x",
        recipients="x@example.com", send_email=0,
    ),
    "import": call(
        f"{CLIENT}.insert",
        doc={"doctype": "Data Import", "reference_doctype": JOB, "import_type": "Update Existing Records"},
    ),
    # state by GET, by both names
    "cancel by GET": request("GET", "/api/method/dartwing_core.api.jobs.cancel_job?job_id=$"),
    "retry by GET": request("GET", "/api/method/dartwing.dartwing_core.api.jobs.retry_job?job_id=$"),
    "reschedule by GET": request(
        "GET", "/api/method/dartwing_core.api.jobs.reschedule_job?job_id=$&available_at=60"
    ),
    "run now by GET": request("GET", "/api/method/dartwing_core.api.jobs.run_now?job_id=$"),
    "delete by GET": request("GET", "/api/method/dartwing_core.api.jobs.delete_dead_letter_job?job_id=$"),
}
# fmt: on

# For others than System Managers, who may delete.
DELETES: dict[str, Call] = {
    "resource DELETE": request("DELETE", f"/api/resource/{JOB}/$"),
    "resource DELETE of log": request("DELETE", f"/api/resource/{RUN}/$-1"),
    "resource DELETE of batch": request("DELETE", f"/api/resource/{BATCH}/BATCH-$"),
    "resource DELETE of dependency": request("DELETE", f"/api/resource/{DEPENDENCY}/$-D"),
    "v2 DELETE": request("DELETE", f"/api/v2/document/{JOB}/$"),
    "client.delete": call(f"{CLIENT}.delete", doctype=JOB, name="$"),
    "delete_items": call(f"{DESK}.reportview.delete_items", doctype=JOB, items=json.dumps(["$"])),
    "delete_dead_letter_job": call("dartwing_core.api.jobs.delete_dead_letter_job", job_id="$"),
}
HUNG = {
    "ToDo": {"reference_type": "Organization", "reference_name": "Test Beta"},
    "File": {"attached_to_doctype": "Organization", "attached_to_name": "Test Beta"},
}
TRACES = ("ToDo", "DocShare", "Tag Link", "Document Follow", "Communication", "Comment")


def snapshot(jobs: dict[str, Target]) -> dict[str, Any]:
    """All that could have been written: the jobs' rows, what belongs to them, and how many jobs there are."""
    frappe.db.rollback()
    names = [job.name for job in jobs.values()]
    found: dict[str, Any] = {"jobs": database.value(f"SELECT COUNT(*) FROM `tab{JOB}`")}
    for doctype, column in (
        (JOB, "name"),
        (RUN, "background_job"),
        (LOG, "background_job"),
        (DEPENDENCY, "background_job"),
        ("File", "attached_to_name"),
    ):
        found[doctype] = frappe.get_all(doctype, filters={column: ["in", names]}, fields=["*"], order_by="name asc")
    batches = {"name": ["in", [f"BATCH-{name}" for name in names]]}
    found[BATCH] = frappe.get_all(BATCH, filters=batches, fields=["*"], order_by="name asc")
    found["batches"] = database.value(f"SELECT COUNT(*) FROM `tab{BATCH}`")
    for doctype in TRACES:
        found[doctype] = database.value(f"SELECT COUNT(*) FROM `tab{doctype}`")
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ACTORS)
def test_nobody_but_the_engine_writes_jobs(web, name):
    actor, client, jobs = ACTORS[name], tenants.client_of(name, web), tenants.targets(name)
    ways = WRITES if actor.is_manager else WRITES | DELETES
    before, wrong = snapshot(jobs), []
    for title, way in ways.items():
        answers = [way(client, jobs[key]) for key in TARGETS]
        after = snapshot(jobs)
        if after != before:
            changed = [part for part in before if before[part] != after[part]]
            wrong.append(f"{title} wrote {changed}: {[(one.status_code, one.text[:200]) for one in answers]}")
            before = after
    assert wrong == [], "\n".join(wrong)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize(
    ("operation", "from_status"),
    [
        ("cancel_job", "Failed"),
        ("retry_job", "Dead Letter"),
        ("retry_job", "Failed"),
        ("run_now", "Failed"),
        ("reschedule_job", "Pending"),
    ],
)
def test_the_engines_operations_are_for_who_sees_the_job(web, name, operation, from_status):
    actor, client, jobs = ACTORS[name], tenants.client_of(name, web), tenants.targets(name)
    for key in TARGETS:
        job = jobs[key]
        tenants.set_status(job.name, from_status, job.secret)
        frappe.db.commit()
        columns = clock.due_columns(clock.now_epoch() + 3_600)
        if operation == "reschedule_job":
            columns["attempt"] = 0  # for jobs that have not begun
        frappe.db.set_value(JOB, job.name, columns, update_modified=False)
        frappe.db.commit()
        before = snapshot(jobs)
        more = {"available_at": 7_200} if operation == "reschedule_job" else {}
        answer = client.post(operation, job_id=job.name, **more)
        expected = 200 if key in actor.sees else 401 if name in ("guest", "disabled") else 404
        assert answer.status_code == expected, (key, answer.text)
        after = snapshot(jobs)
        assert (after == before) is (expected != 200), key
        if expected == 200:
            row = next(row for row in after[JOB] if row.name == job.name)
            owner = next(row for row in before[JOB] if row.name == job.name).owner_user
            assert row.owner_user == owner, "it runs as its owner, whoever retries it"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize(("operation", "becomes"), [("cancel_batch", "Canceled"), ("retry_batch", "Queued")])
def test_operations_on_batches_are_for_who_sees_them(web, name, operation, becomes):
    actor, client, jobs = ACTORS[name], tenants.client_of(name, web), tenants.targets(name)
    for key in TARGETS:
        job = jobs[key]
        tenants.set_status(job.name, "Failed", job.secret)
        frappe.db.commit()
        before = snapshot(jobs)
        answer = client.post(operation, batch_id=f"BATCH-{job.name}")
        expected = 200 if key in actor.sees else 401 if name in ("guest", "disabled") else 404
        assert answer.status_code == expected, (key, answer.text)
        after = snapshot(jobs)
        assert (after == before) is (expected != 200), key
        if expected == 200:
            assert [row.status for row in after[JOB] if row.name == job.name] == [becomes]


@pytest.mark.parametrize("name", ACTORS)
def test_only_who_sees_a_job_comments_on_it(web, name):
    actor, client, jobs = ACTORS[name], tenants.client_of(name, web), tenants.targets(name)
    for key in TARGETS:
        answer = call(
            "frappe.desk.form.utils.add_comment", reference_doctype=JOB, reference_name="$", content="hello",
            comment_email="x@example.com", comment_by="x",
        )(client, jobs[key])  # fmt: skip
        is_visible = tenants.visible(actor, key, needs_desk=True)
        assert (answer.status_code == 200) is is_visible, (key, answer.text[:300])
        frappe.db.rollback()
        written = frappe.db.count("Comment", {"reference_name": jobs[key].name, "comment_type": "Comment"})
        assert bool(written) is is_visible


@pytest.mark.parametrize("name", ACTORS)
def test_nothing_is_hung_on_an_organization_that_one_does_not_see(web, name):
    # Frappe writes assignments and comments into the row they hang on, and asks nobody.
    client, answers = tenants.client_of(name, web), {}
    for organization in ("Test Beta", "Test Nowhere"):
        for doctype, reference in (
            ("ToDo", {"reference_type": "Organization", "reference_name": organization, "description": "x"}),
            ("File", {"attached_to_doctype": "Organization", "attached_to_name": organization}),
        ):
            document = {"doctype": doctype, "file_url": "https://example.com/x", "is_private": 1, **reference}
            answer = call("frappe.client.insert", doc=document)(client, tenants.targets(name)["none"])
            answers[organization, doctype] = answer.status_code
    may_see = name in ("admin_b", "manager")
    frappe.db.rollback()
    hung = {doctype: len(frappe.get_all(doctype, filters=filters)) for doctype, filters in HUNG.items()}
    for doctype, filters in HUNG.items():
        frappe.db.delete(doctype, filters)
    frappe.db.commit()
    assert bool(hung["File"]) is (name == "manager"), answers  # who may change it
    assert may_see or not hung["ToDo"], answers


@pytest.mark.parametrize("name", ACTORS)
def test_bulk_operations_reach_only_what_one_sees(web, name):
    actor, client, jobs = ACTORS[name], tenants.client_of(name, web), tenants.targets(name)
    for key in ("own", "alpha", "beta"):
        tenants.set_status(jobs[key].name, "Dead Letter", jobs[key].secret)
    frappe.db.commit()
    listed = client.get("get_dead_letter_jobs")
    answer = client.post("bulk_retry_dead_letter")
    frappe.db.rollback()
    moved = {key for key in jobs if frappe.db.get_value(JOB, jobs[key].name, "status") in ("Pending", "Queued")}
    assert moved == set(actor.sees)
    if answer.status_code == 200:
        named = {key for key in jobs if jobs[key].name in listed.text}
        assert named == set(actor.sees)


@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize(
    ("operation", "from_status"), [("cancel_jobs", "Failed"), ("retry_jobs", "Failed"), ("delete_jobs", "Dead Letter")]
)
def test_operations_on_many_jobs_reach_only_what_one_sees(web, name, operation, from_status):
    actor, client, jobs = ACTORS[name], tenants.client_of(name, web), tenants.targets(name)
    frappe.db.sql("UPDATE `tabJob Batch` SET status = 'Failed' WHERE organization LIKE 'Test %%'")
    for key in ("own", "alpha", "beta"):
        tenants.set_status(jobs[key].name, from_status, jobs[key].secret)
    frappe.db.commit()
    before = snapshot(jobs)
    answer = client.post(operation, job_ids=[job.name for job in jobs.values()])
    after = snapshot(jobs)
    if name in ("guest", "disabled"):
        assert (answer.status_code, after) == (401, before)
        return
    if operation == "delete_jobs" and not actor.is_manager:
        assert (answer.status_code, answer.json()["error"], after) == (403, "forbidden", before)
        return
    told = answer.json()["message"]
    assert set(told["done"]) == {jobs[key].name for key in actor.sees}
    untouched = [jobs[key].name for key in jobs if key not in actor.sees]
    assert set(told["refused"]) == set(untouched)
    hidden = {told["refused"][jobs[key].name].replace(jobs[key].name, "$") for key in jobs if key not in actor.sees}
    assert len(hidden) == 1, "hidden and missing are refused alike"
    for doctype in (JOB, RUN, LOG, BATCH):
        kept = [
            [row for row in found[doctype] if any(job in str(row) for job in untouched)] for found in (before, after)
        ]
        assert kept[0] == kept[1], doctype
