"""Rows about rows about our documents: the attachment of a mail, the tag of a file, the share of a task."""

from __future__ import annotations

import inspect
import json

import frappe
import pytest
from frappe.email.doctype.notification.notification import Notification

from dartwing_core.wall import sent_later
from tests.support import factory
from tests.support.database import statements
from tests.support.http import call
from tests.support.rows_about_ours import SECRET, clients, insert, removed


@pytest.mark.parametrize(("kind", "field"), [("File", "file_name"), ("Tag Link", "title")])
def test_such_rows_are_listed_to_who_sees_the_document(web, rows, kind, field):
    # Seen failing: names of attachments of mails and tasks, and titles of tagged files, to every account of Desk.
    names = [row.name for row in rows.values() if row.doctype == kind]
    asked = {"doctype": kind, "fields": ["name", field], "filters": {"name": ["in", names]}, "limit_page_length": 0}
    for who, client in clients(web).items():
        answer = call(client, "frappe.client.get_list", **asked)
        assert (SECRET in answer.text) == (who == "inside"), answer.text
        seen = {row["name"] for row in answer.json().get("message", ())}
        assert seen == (set(names) if who == "inside" else set())


def test_such_rows_are_read_and_written_by_who_sees_the_document(web, rows):
    # Seen failing: likes, tags, tasks and shares were written to files of other tenants by who knew their names.
    outside = clients(web)["outside"]
    for name in ("file of mail", "file of task", "file", "comment on task"):
        row = rows[name]
        assert call(outside, "frappe.client.get", doctype=row.doctype, name=row.name).status_code in (403, 404)
    file = {"doctype": "File", "name": rows["file"].name}
    liked = call(outside, "frappe.desk.like.toggle_like", **file, add="Yes")
    tagged = call(outside, "frappe.desk.doctype.tag.tag.add_tag", tag="x", dt="File", dn=rows["file"].name)
    user = frappe.session.user
    todo = {"doctype": "ToDo", "description": "x", "reference_type": "File", "reference_name": rows["file"].name}
    assigned = call(outside, "frappe.client.insert", doc=json.dumps({**todo, "allocated_to": user}))
    for answer in (liked, tagged, assigned):
        assert answer.status_code in (403, 404, 417), answer.text
    frappe.db.rollback()
    like = {"reference_doctype": "File", "reference_name": rows["file"].name, "comment_type": "Like"}
    assert not frappe.db.exists("Comment", like)
    shared = {"doctype": "DocShare", "share_doctype": "File", "share_name": rows["file"].name, "read": 1}
    with pytest.raises(frappe.PermissionError, match="can't be shared"):
        frappe.get_doc({**shared, "user": factory.user("step_outside", factory.BETA)}).insert(ignore_permissions=True)


def test_mails_and_files_of_such_rows_are_taken_by_nobody(web, rows):
    # Seen failing: a mail about a task was moved to one's own, its file was copied, and strangers' mails were taken.
    client = clients(web)["inside"]
    outside = clients(web)["outside"]
    task = rows["task"]
    mail = insert("Communication", subject="x", content=SECRET, reference_doctype="ToDo", reference_name=task.name)
    loose = insert("Communication", subject="x", content="loose", communication_type="Communication")
    schedule = {"reference_doctype": "Job Schedule", "reference_name": rows["schedule"].name}
    frappe.db.commit()
    own = {"reference_doctype": "User", "reference_name": "Guest"}
    call(outside, "frappe.email.relink", name=mail.name, **own)
    call(client, "frappe.email.relink", name=loose.name, **schedule)
    named = json.dumps([rows["file of task"].name])
    copied = call(outside, "frappe.utils.file_manager.add_attachments", doctype="User", name="Guest", attachments=named)
    assert copied.status_code in (403, 404), copied.text
    # Seen failing: a mail that anybody writes took it too.
    mailed = call(outside, "frappe.core.doctype.communication.email.make", content="x", attachments=named)
    assert mailed.status_code in (403, 404), mailed.text
    frappe.db.rollback()
    assert frappe.db.get_value("Communication", mail.name, "reference_name") == task.name
    assert not frappe.db.get_value("Communication", loose.name, "reference_name")
    removed(mail, loose)


def test_rows_of_others_have_rows_about_them_as_before(web, rows):
    client = clients(web)["outside"]
    mine = {"doctype": "ToDo", "description": "mine", "allocated_to": factory.user("step_outside", factory.BETA)}
    frappe.db.commit()
    task = call(client, "frappe.client.insert", doc=json.dumps(mine))
    assert task.status_code == 200, task.text
    name = task.json()["message"]["name"]
    about = {"attached_to_doctype": "ToDo", "attached_to_name": name}
    sent = {"file_name": "x.txt", "content": frappe.generate_hash(), **about}
    file = client.http.post(f"{web}/api/resource/File", json=sent, timeout=60)
    assert file.status_code == 200, file.text
    listed = call(client, "frappe.client.get_list", doctype="File", filters={"attached_to_name": name})
    assert len(listed.json()["message"]) == 1
    assert call(client, "frappe.desk.like.toggle_like", doctype="ToDo", name=name, add="Yes").status_code == 200
    frappe.db.rollback()
    removed(frappe.get_doc("File", file.json()["data"]["name"]), frappe.get_doc("ToDo", name))


@pytest.mark.parametrize("name", ["schedule", "file", "comment on task", "mail"])
def test_a_notification_for_a_role_goes_to_who_sees_the_document(rows, name):
    # Seen failing: mails with titles and parameters went to all who had the role, in all organizations.
    roles = ("Dartwing Admin", "Desk User")
    inside = factory.user("step_inside", factory.ALPHA, roles=roles, org_role="Admin")
    outside = factory.user("step_outside", factory.BETA, roles=roles, org_role="Admin")
    frappe.db.commit()
    row = rows[name]
    values = {"channel": "Email", "document_type": row.doctype, "event": "New", "subject": "x", "message": "x"}
    rule = frappe.get_doc({"doctype": "Notification", **values})
    rule.append("recipients", {"receiver_by_role": "Dartwing Admin", "cc": f"fixed@example.com, {outside}"})
    assert sent_later.Notification is Notification, "whose recipients are filtered"
    to, cc, _bcc = rule.get_list_of_recipients(row, {"doc": row})
    assert inside in to
    assert outside not in to
    assert [address.strip() for address in cc] == ["fixed@example.com"]
    other = frappe.get_doc({"doctype": "Note", "title": "test"})
    with statements() as ran:
        assert {inside, outside} <= set(rule.get_list_of_recipients(other, {"doc": other})[0])
    with statements() as ran_before:
        inspect.unwrap(Notification.get_list_of_recipients)(rule, other, {"doc": other})
    assert len(ran) == len(ran_before), "of others as before"


def test_a_message_for_a_role_goes_to_the_numbers_of_who_sees_the_document(rows):
    # Seen failing: the same by SMS.
    users = [("step_inside", factory.ALPHA, "0151 1"), ("step_outside", factory.BETA, "0151 2")]
    for name, organization, number in users:
        user = factory.user(name, organization, roles=("Dartwing Admin", "Desk User"), org_role="Admin")
        frappe.db.set_value("User", user, "mobile_no", number)
    values = {"channel": "SMS", "document_type": "Job Schedule", "event": "New", "subject": "x", "message": "x"}
    rule = frappe.get_doc({"doctype": "Notification", **values})
    rule.append("recipients", {"receiver_by_role": "Dartwing Admin"})
    numbers = rule.get_receiver_list(rows["schedule"], {"doc": rows["schedule"]})
    assert "0151 1" in numbers
    assert "0151 2" not in numbers
    other = frappe.get_doc({"doctype": "Note", "title": "test"})
    assert {"0151 1", "0151 2"} <= set(rule.get_receiver_list(other, {"doc": other}))
    frappe.db.rollback()


def test_the_index_of_all_texts_shows_such_rows_to_who_sees_the_document(web, rows):
    # Seen failing: Frappe's global search asked only for the DocType.
    settings = frappe.get_single("Global Search Settings")
    before = [row.document_type for row in settings.allowed_in_global_search]
    settings.set("allowed_in_global_search", [{"document_type": "ToDo"}])
    settings.save()
    word = f"needle{frappe.generate_hash(length=8)}"
    index = {"doctype": "ToDo", "name": rows["task"].name, "content": f"{word} {SECRET}", "published": 0}
    columns = frappe.qb.into(frappe.qb.Table("__global_search")).columns(*index)
    columns.insert(*index.values()).run()
    frappe.db.commit()
    try:
        for who, client in clients(web).items():
            answer = call(client, "frappe.utils.global_search.search", text=word)
            assert answer.status_code == 200, answer.text
            assert (SECRET in answer.text) == (who == "inside"), who
    finally:
        frappe.db.sql("DELETE FROM `__global_search` WHERE content LIKE %s", f"{word}%")
        settings.set("allowed_in_global_search", [{"document_type": name} for name in before])
        settings.save()
        frappe.db.commit()
