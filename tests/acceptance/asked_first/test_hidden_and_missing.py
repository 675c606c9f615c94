"""What one may not see answers as what is not there: jobs, batches and organizations."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs import job as part
from dartwing_core.jobs import submit_batch
from tests.support import factory, tenants
from tests.support.named_requests import JOB, LOG, RUN, document, method, send
from tests.support.tenants import NOWHERE

COMMENT = document("Comment", comment_type="Comment", reference_doctype=JOB, reference_name="$", content="x")
LINKS = {
    "Comment": COMMENT,
    "Communication": document("Communication", subject="x", reference_doctype=JOB, reference_name="$"),
    "ToDo": document("ToDo", description="x", reference_type=JOB, reference_name="$"),
    "File": document("File", file_url="https://example.com/x", attached_to_doctype=JOB, attached_to_name="$"),
    "Tag Link": document("Tag Link", tag="x", document_type=JOB, document_name="$"),
    "Job Execution Log": document(LOG, background_job="$", to_status="Failed", message="x"),
    "Background Job Run": document(RUN, background_job="$", attempt=9),
    "Background Job": document(JOB, job_type="echo_job", organization="Test Beta", depends_on="$"),
    "Reminder": document(
        "Reminder", description="x", remind_at="2035-01-01 10:00:00", reminder_doctype=JOB, reminder_docname="$"
    ),
    "DocShare": document("DocShare", user="test_bob@example.com", share_doctype=JOB, share_name="$", read=1),
    "Document Follow": document(
        "Document Follow", user="test_bob@example.com", ref_doctype=JOB, ref_docname="$"
    ),
    "User Permission": document("User Permission", user="test_bob@example.com", allow=JOB, for_value="$"),
    "Event": document(
        "Event", subject="x", starts_on="2035-01-01 10:00:00",
        event_participants=[{"reference_doctype": JOB, "reference_docname": "$"}],
    ),
}  # fmt: skip

WAYS = {
    **{f"insert {title}": method("frappe.client.insert", doc=link) for title, link in LINKS.items()},
    **{f"form of {title}": method("frappe.desk.form.save.savedocs", doc=json.dumps({**link, "__islocal": 1}),
                                  action="Save") for title, link in LINKS.items()},
    **{f"POST {title}": ("POST", f"/api/resource/{title}", link) for title, link in LINKS.items()},
    **{f"v2 POST {title}": ("POST", f"/api/v2/document/{title}", link) for title, link in LINKS.items()},
    "insert many": method("frappe.client.insert_many", docs=json.dumps([COMMENT])),
    "POST as data": ("POST", "/api/resource/Comment", {"data": json.dumps(COMMENT)}),
    "DELETE": ("DELETE", f"/api/resource/{JOB}/$", None),
    "v1 DELETE": ("DELETE", f"/api/v1/resource/{JOB}/$", None),
    "v2 DELETE": ("DELETE", f"/api/v2/document/{JOB}/$/", None),
    "DELETE of attempt": ("DELETE", f"/api/resource/{RUN}/$-1", None),
    "PUT": ("PUT", f"/api/resource/{JOB}/$", {"status": "Queued"}),
    "run_method": ("POST", f"/api/resource/{JOB}/$?run_method=add_comment", {"text": "x"}),
    "v2 method": ("POST", f"/api/v2/document/{JOB}/$/method/add_comment", {"text": "x"}),
    "run_doc_method": method("run_doc_method", dt=JOB, dn="$", method="add_comment", args={"text": "x"}),
    "run_doc_method of a forged one": method(
        "run_doc_method", docs=json.dumps(document(JOB, name="$", owner_user="test_m_user@example.com")),
        method="add_comment",
    ),
    "run_doc_method of a forged one beside another": (
        "POST",
        "/api/v2/method/run_doc_method",
        {
            "method": "add_comment",
            "docs": {"doctype": "Note", "title": "x"},
            "document": document(JOB, name="$", owner_user="test_m_user@example.com"),
        },
    ),
    "v2 method of a DocType": ("POST", "/api/v2/method/Tag/add_tag", {"tag": "x", "dt": JOB, "dn": "$"}),
    "by cmd": ("POST", "/?cmd=frappe.client.delete", {"cmd": "frappe.client.delete", "doctype": JOB, "name": "$"}),
    "by cmd on a page of Desk": ("POST", "/app?cmd=frappe.client.delete",
                                 {"cmd": "frappe.client.delete", "doctype": JOB, "name": "$"}),
    "client.delete": method("frappe.client.delete", doctype=JOB, name="$"),
    "delete_items": method("frappe.desk.reportview.delete_items", doctype=JOB, items=json.dumps(["$"])),
    "set_value": method("frappe.client.set_value", doctype=JOB, name="$", fieldname="status", value="Queued"),
    "relink": method("frappe.email.relink", name="x", reference_doctype=JOB, reference_name="$"),
    "auto repeat": method("frappe.automation.doctype.auto_repeat.auto_repeat.make_auto_repeat", doctype=JOB,
                          docname="$"),
    "reminder": method(
        "frappe.automation.doctype.reminder.reminder.create_new_reminder", reminder_doctype=JOB, reminder_docname="$",
        remind_at="2035-01-01 10:00:00", description="x",
    ),
    "discussion": method(
        "frappe.website.doctype.discussion_topic.discussion_topic.submit_discussion", doctype=JOB, docname="$",
        reply="x", title="x",
    ),
    "unfollow": method(
        "frappe.desk.form.document_follow.unfollow_document", doctype=JOB, doc_name="$", user="test_alice@example.com"
    ),
    "energy points": method(
        "frappe.social.doctype.energy_point_log.energy_point_log.review", doc=json.dumps(document(JOB, name="$")),
        points=0, to_user="test_alice@example.com", reason="x",
    ),
    "RQ's name of an attempt": method("frappe.core.doctype.rq_job.rq_job.stop_job", job_id="site::$-1"),
    "RQ's later name": method("frappe.core.doctype.rq_job.rq_job.stop_job", job_id="site||$-1"),
    "like of a page": method(
        "frappe.templates.includes.likes.likes.like", reference_doctype=JOB, reference_name="$", like=1
    ),
    "PDF": ("GET", f"/api/method/frappe.utils.print_format.download_pdf?doctype={JOB}&name=$", None),
    "PDF of several": method("frappe.utils.print_format.download_multi_pdf", doctype=json.dumps({JOB: ["$"]}),
                             name="x"),
    "print page": ("GET", f"/printview?doctype={JOB}&name=$", None),
    "web form": method("frappe.website.doctype.web_form.web_form.get_form_data", doctype=JOB, docname="$"),
    "in small letters": ("GET", "/api/resource/background job/$", None),
}  # fmt: skip
SPELLINGS = {"as it is": lambda name: name, "small": str.lower, "wide J": lambda name: name.replace("J", "\uff2a", 1)}


@pytest.mark.timeout(300)
def test_hidden_and_missing_answer_alike(stranger, job):
    wrong = []
    nowhere = NOWHERE[:-7] + frappe.generate_hash(length=7).upper()  # Frappe 15 counts likes of each name
    for title, (verb, path, body) in WAYS.items():
        told = [tenants.plain(send(stranger, verb, path, name, body), name) for name in (job, nowhere)]
        if told[0] != told[1] or (told[0][0] == 200 and title != "unfollow"):
            wrong.append(f"{title}: {told[0][0]} {told[0][1][:200]} | {told[1][0]} {told[1][1][:200]}")
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_as_mariadb_compares_names(user, job, spelling):
    for way in ("client.delete", "insert Reminder", "reminder", "DELETE", "RQ's later name"):
        verb, path, body = WAYS[way]
        told = []
        for name in (job, NOWHERE):
            spelled = SPELLINGS[spelling](name)
            plain = tenants.plain(send(user, verb, path, spelled, body), spelled)
            told.append((plain[0], plain[1].replace(json.dumps(spelled)[2:-1], "$").replace(name[1:], "$")))
        assert told[0] == told[1], way
        assert told[0][0] == 404, way


def test_the_owner_and_their_admin_still_reach_the_job(web):
    for name in ("user", "admin_a"):
        client, own = tenants.client_of(name, web), tenants.targets(name)["own"].name
        verb, path, body = WAYS["insert Reminder"]
        made = send(client, verb, path, own, body)
        assert made.status_code == 200, made.text
        assert send(client, "GET", f"/api/resource/{JOB}/$", own).status_code == 200


def test_what_a_document_holds_already_is_saved_with_it(web):
    # A job that its owner may see no more, or that is deleted, must not stop them from saving what links to it.
    client, own = tenants.client_of("user", web), tenants.targets("user")["own"].name
    verb, path, body = WAYS["insert Reminder"]
    reminder = send(client, verb, path, own, body).json()["message"]
    frappe.db.sql(f"UPDATE `tab{JOB}` SET owner_user = 'Administrator' WHERE name = %s", own)
    frappe.db.commit()
    changed = json.dumps({**reminder, "description": "changed"})
    saved = send(client, *method("frappe.desk.form.save.savedocs")[:2], own, {"doc": changed, "action": "Save"})
    assert saved.status_code == 200, saved.text
    assert send(client, "PUT", "/api/resource/Reminder/" + reminder["name"], own, {"reminder_docname": "$"}).ok
    another = {**body["doc"], "description": "another"}
    assert send(client, verb, path, own, {"doc": another}).status_code == 404


FOREIGN = {
    "resource": ("GET", "/api/resource/Organization/$", None),
    "v2": ("GET", "/api/v2/document/Organization/$", None),
    "DELETE": ("DELETE", "/api/resource/Organization/$", None),
    "PUT": ("PUT", "/api/resource/Organization/$", {"weight": 3}),
    "get": method("frappe.client.get", doctype="Organization", name="$"),
    "get by filter": method("frappe.client.get", doctype="Organization", name={"name": "$"}),
    "getdoc": method("frappe.desk.form.load.getdoc", doctype="Organization", name="$"),
    "delete": method("frappe.client.delete", doctype="Organization", name="$"),
    "delete_items": method("frappe.desk.reportview.delete_items", doctype="Organization", items=json.dumps(["$"])),
    "save": method("frappe.client.save", doc=document("Organization", name="$", org_name="$")),
    "rename": method("frappe.client.rename_doc", doctype="Organization", old_name="$", new_name="Test Renamed"),
    "a member": method(
        "frappe.client.insert", doc=document("Org Member", user="test_bob@example.com", organization="$")
    ),
    "POST a member": ("POST", "/api/resource/Org Member", {"user": "test_bob@example.com", "organization": "$"}),
    "a permission": method(
        "frappe.client.insert",
        doc=document("User Permission", user="test_bob@example.com", allow="Organization", for_value="$"),
    ),
    "a ToDo": method(
        "frappe.client.insert",
        doc=document("ToDo", description="x", reference_type="Organization", reference_name="$"),
    ),
    "unlock": method("frappe.model.document.unlock_document", doctype="Organization", name="$"),
    "unlock by args": method("frappe.model.document.unlock_document", args='{"doctype": "Organization", "name": "$"}'),
    "follow": method(
        "frappe.desk.form.document_follow.update_follow", doctype="Organization", doc_name="$", following=True
    ),
    "like of a page": method(
        "frappe.templates.includes.likes.likes.like", reference_doctype="Organization", reference_name="$", like=1
    ),
    "room": ("GET", "/api/method/frappe.realtime.can_subscribe_doc?doctype=Organization&docname=$", None),
}  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["user", "portal", "roleless", "guest"])
def test_a_hidden_and_a_missing_organization_answer_alike(web, name):
    client, wrong = tenants.client_of(name, web), []
    for title, (verb, path, body) in FOREIGN.items():
        told = []
        for organization in (factory.BETA, "Test Nowhere"):
            told.append(tenants.plain(send(client, verb, path, organization, body), organization))
        if told[0] != told[1] or (told[0][0] == 200 and title != "getdoc"):
            wrong.append(f"{title}: {told[0][0]} {told[0][1][:200]} | {told[1][0]} {told[1][1][:200]}")
    assert wrong == [], "\n".join(wrong)


def test_a_hidden_and_a_missing_batch_answer_alike(stranger, site):
    batch = submit_batch(factory.ALPHA, [part("echo_job", {"of": frappe.generate_hash()})]).name
    frappe.db.commit()
    ways = {
        "resource": ("GET", "/api/resource/Job Batch/$", None),
        "DELETE": ("DELETE", "/api/resource/Job Batch/$", None),
        "delete": method("frappe.client.delete", doctype="Job Batch", name="$"),
        "value": method("frappe.client.set_value", doctype="ToDo", name="x", fieldname="reference_name", value="$"),
        "comment": method("frappe.client.insert", doc={**COMMENT, "reference_doctype": "Job Batch"}),
        "reminder": method(
            "frappe.client.insert", doc={**LINKS["Reminder"], "reminder_doctype": "Job Batch"}
        ),
    }  # fmt: skip
    for title, (verb, path, body) in ways.items():
        told = [
            tenants.plain(send(stranger, verb, path, name, body), name)
            for name in (batch, "BATCH-1K00000000000NOWHERE")
        ]
        assert told[0] == told[1], title
        assert told[0][0] != 200, title
