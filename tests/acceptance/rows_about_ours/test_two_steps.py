"""What tells of rows about our documents: notices of tasks, sums, downloads, the index of texts; and deletions."""

from __future__ import annotations

import json
from typing import Any

import frappe
import pytest
from frappe.model import delete_doc
from frappe.website.doctype.personal_data_download_request import personal_data_download_request

from dartwing_core.jobs.recovery import referring_rows
from dartwing_core.wall import by_request, guard
from tests.support import factory
from tests.support.files import on_disk
from tests.support.http import Client, call
from tests.support.rows_about_ours import SECRET, clients, insert, prepared_report, removed
from tests.support.sessions import as_user

NOTICE = "Notification Log"


@pytest.fixture(params=["file", "task", "mail", "comment on task", "file of mail"])
def notice(request, rows):
    """A notice about such a row, for an admin of Alpha."""
    row = rows[request.param]
    user = factory.user("step_inside", factory.ALPHA, roles=("Dartwing Admin", "Desk User"), org_role="Admin")
    about = {"document_type": row.doctype, "document_name": row.name, "for_user": user, "type": "Mention"}
    made = insert(NOTICE, subject=SECRET, email_content=SECRET, from_user="Administrator", **about)
    frappe.db.commit()
    yield made
    removed(made)


def test_a_notice_about_such_a_row_is_for_its_user(web, reader, notice):
    # Seen failing: any account found it by a filter, with the text of the comment and the name of the file.
    for filters in ({"document_type": notice.document_type}, {"email_content": ["like", f"%{SECRET[2:-1]}%"]}):
        assert SECRET not in call(reader, "frappe.client.get", doctype=NOTICE, filters=filters).text
    assert SECRET not in reader.http.get(f"{web}/api/resource/{NOTICE}/{notice.name}", timeout=60).text
    assert SECRET not in call(reader, "frappe.client.get_list", doctype=NOTICE, fields=["*"]).text
    call(reader, "frappe.desk.doctype.notification_log.notification_log.mark_as_read", docname=notice.name)
    frappe.db.rollback()
    assert not frappe.db.get_value(NOTICE, notice.name, "read")
    own = Client(web).with_token(notice.for_user)
    assert SECRET in call(own, "frappe.client.get", doctype=NOTICE, name=notice.name).text


def test_such_rows_are_counted_and_grouped_for_nobody(web, reader, rows, notice):
    # Seen failing: one request listed the texts of all notices, and the addresses of files of tasks and mails.
    function = "frappe.workflow.doctype.workflow.workflow.get_workflow_state_count"
    for doctype, field in (
        (NOTICE, "email_content"),
        ("File", "file_name"),
        ("Comment", "content"),
        ("Tag Link", "title"),
    ):
        answer = call(reader, function, doctype=doctype, workflow_state_field=field, states="[]")
        assert SECRET not in answer.text, doctype
    by_name = {"file_name": ["like", f"{SECRET[:-1]}%"]}
    missing = call(reader, "frappe.client.get", doctype="File", filters={"file_name": "no such name"})
    assert call(reader, "frappe.client.get", doctype="File", filters=by_name).status_code == missing.status_code


def test_a_download_of_data_holds_no_such_rows(rows):
    # Seen failing: whoever named a user got their comments on files and tasks of hidden schedules.
    author = factory.user("step_author", factory.ALPHA)
    for name in ("comment on task", "comment on file", "comment on mail"):
        rows[name].db_set("owner", author)
    stranger = factory.user("step_outside", factory.BETA)
    inside = factory.user("step_inside", factory.ALPHA, roles=("Dartwing Admin", "Desk User"), org_role="Admin")
    frappe.db.commit()
    collect = personal_data_download_request.get_user_data
    assert SECRET not in as_user(stranger, collect, author)
    assert SECRET in as_user(inside, collect, author)


@pytest.mark.parametrize("name", ["task", "file", "mail"])
def test_comments_on_such_rows_go_to_no_open_socket(rows, monkeypatch, name):
    # Seen failing: the socket of a former admin heard their texts.
    told = []
    monkeypatch.setattr(frappe, "publish_realtime", lambda event, *_rest, **_more: told.append(event))
    made = rows[name].add_comment("Comment", SECRET)
    assert "docinfo_update" not in told
    frappe.db.rollback()
    assert not frappe.db.exists("Comment", made.name)


def test_the_index_of_texts_tells_of_no_row_that_is_gone(web, reader, rows):
    # Seen failing: the text of a task that was deleted, or refused, before the index was renewed was told to everybody.
    settings = frappe.get_single("Global Search Settings")
    before = [row.document_type for row in settings.allowed_in_global_search]
    settings.set("allowed_in_global_search", [{"document_type": "ToDo"}])
    settings.save()
    word = f"needle{frappe.generate_hash(length=8)}"
    index = {"doctype": "ToDo", "name": "no such task", "content": f"{word} {SECRET}", "published": 0}
    columns = frappe.qb.into(frappe.qb.Table("__global_search")).columns(*index)
    columns.insert(*index.values()).run()
    frappe.db.commit()
    try:
        for client in (reader, clients(web)["outside"]):
            assert SECRET not in call(client, "frappe.utils.global_search.search", text=word).text
    finally:
        frappe.db.sql("DELETE FROM `__global_search` WHERE content LIKE %s", f"{word}%")
        settings.set("allowed_in_global_search", [{"document_type": name} for name in before])
        settings.save()
        frappe.db.commit()


def test_nothing_about_a_deleted_schedule_is_left(rows):
    # Seen failing: its mails, their files and those of its tasks were about nothing, and so shown to everybody.
    schedule = rows["schedule"]
    waiting = insert("Email Queue", message="x", sender="a@example.com", communication=rows["mail"].name)
    frappe.db.commit()
    paths = [on_disk(rows[name]) for name in ("file of mail", "file of task", "file")]
    assert all(path.exists() for path in paths)
    frappe.delete_doc(schedule.doctype, schedule.name, ignore_permissions=True)
    frappe.db.commit()
    left = [name for name, row in rows.items() if frappe.db.exists(row.doctype, row.name)]
    assert left == []
    assert not any(path.exists() for path in paths)
    assert frappe.db.exists("Deleted Document", {"deleted_doctype": "Communication", "deleted_name": rows["mail"].name})
    assert not frappe.db.get_value("Email Queue", waiting.name, "communication"), "else it would never be sent"
    removed(waiting)


def test_the_removal_of_files_leaves_no_comments_about_what_is_gone(rows):
    # Seen failing: Frappe comments on the task that a file of it is removed, and the task went after that.
    schedule = rows["schedule"]
    frappe.delete_doc(schedule.doctype, schedule.name, ignore_permissions=True)
    names = [schedule.name, *(row.name for row in rows.values())]
    assert frappe.get_all("Comment", {"reference_name": ["in", names]}, ["reference_doctype", "content"]) == []
    frappe.db.rollback()


def test_a_file_that_another_app_keeps_stays(rows, monkeypatch):
    # Seen failing: what could not be deleted as a document was deleted as a row, with its bytes left.
    kept = rows["file"].name
    delete = frappe.delete_doc

    def refuse(doctype: str, name: str, *arguments: Any, **named: Any) -> None:
        if name == kept:
            raise frappe.ValidationError
        delete(doctype, name, *arguments, **named)

    monkeypatch.setattr(frappe, "delete_doc", refuse)
    referring_rows.delete_about(rows["schedule"].doctype, [rows["schedule"].name], has_form=True)
    assert frappe.db.exists("File", kept)
    assert not frappe.db.exists("File", rows["file of mail"].name)
    frappe.db.rollback()


def test_a_refused_deletion_leaves_the_bytes(rows, monkeypatch):
    # Seen failing: Frappe deletes bytes at once, and looks for links to the document after that.
    def refuse(_doc: Any, *_more: Any) -> None:
        raise frappe.LinkExistsError

    schedule = rows["schedule"]
    monkeypatch.setattr(delete_doc, "check_if_doc_is_linked", refuse)
    with pytest.raises(frappe.LinkExistsError):
        frappe.delete_doc(schedule.doctype, schedule.name, ignore_permissions=True)
    frappe.db.rollback()
    assert all(on_disk(rows[name]).exists() for name in ("file of mail", "file of task", "file"))


def test_a_deletion_that_is_rolled_back_leaves_the_bytes(rows):
    # Seen failing: only those in the folder of our files were deleted after the commit.
    schedule = rows["schedule"]
    frappe.delete_doc(schedule.doctype, schedule.name, ignore_permissions=True)
    frappe.db.rollback()
    assert all(on_disk(rows[name]).exists() for name in ("file of mail", "file of task", "file"))


def test_rows_that_are_three_steps_away_are_in_no_list(web, reader, rows):
    # Seen failing: lists looked one row less far than documents.
    tag = insert(
        "Tag Link", document_type="File", document_name=rows["file of mail"].name, title=SECRET, tag="test-far"
    )
    mail = insert("Communication", subject="x", reference_doctype="ToDo", reference_name=rows["task"].name)
    of_mail = {"attached_to_doctype": mail.doctype, "attached_to_name": mail.name}
    file = insert("File", file_name=f"{SECRET}-far.txt", content="x", **of_mail)
    frappe.db.commit()
    try:
        for row, field in ((tag, "title"), (file, "file_name")):
            asked = {"doctype": row.doctype, "fields": ["name", field], "filters": {"name": row.name}}
            for client in (reader, clients(web)["outside"]):
                assert call(client, "frappe.client.get_list", **asked).json().get("message", []) == []
        assert SECRET not in call(reader, "frappe.desk.doctype.tag.tag.get_documents_for_tag", tag="test-far").text
    finally:
        removed(tag, file, mail)


def test_the_cards_of_a_board_of_jobs_are_its_owners(web, reader):
    # Seen failing: all of Desk listed the names of all jobs, by their status.
    values = {"kanban_board_name": "Test Cards", "reference_doctype": "Background Job", "field_name": "status"}
    columns = [{"column_name": "Completed", "order": json.dumps([SECRET])}]
    board = insert("Kanban Board", private=1, columns=columns, **values)
    frappe.db.commit()
    try:
        asked = {"doctype": "Kanban Board Column", "parent": "Kanban Board", "fields": ["parent", "order"]}
        for client in (reader, clients(web)["outside"]):
            assert SECRET not in call(client, "frappe.client.get_list", **asked).text
    finally:
        removed(board)


def test_a_mail_is_linked_to_no_hidden_document_by_its_address(web, reader):
    # Seen failing: it told which names of organizations exist, and wrote into their timelines.
    account = {"doctype": "Email Account", "email_id": "x@example.com", "email_account_name": "x", "enable_incoming": 1}
    account = frappe.get_doc({**account, "enable_automatic_linking": 1, "enable_outgoing": 0})
    account.db_insert()
    hidden = frappe.get_doc({"doctype": "Organization", "org_name": "Test Linked"}).insert()
    frappe.db.commit()
    frappe.cache.delete_value("email_account")
    mail = {"content": "x", "subject": "x", "send_email": 0}
    try:
        answers = []
        for name in (hidden.name, "nowhere"):
            address = f"x+Organization+{name}@example.com"
            answers.append(call(reader, "frappe.core.doctype.communication.email.make", recipients=address, **mail))
        assert answers[0].status_code == answers[1].status_code, answers[0].text
        assert not frappe.db.exists("Communication Link", {"link_name": hidden.name})
    finally:
        removed(account, hidden)


@pytest.mark.parametrize("doctype", ["Module Def", "Desktop Icon", "Workspace Sidebar", "Workspace"])
def test_what_is_the_apps_is_renamed_by_nobody_else(web, doctype):
    # Seen failing: any account renamed it by a method of the document, without the permission to write it.
    name = "Dartwing Core" if doctype == "Module Def" else "Background Jobs"
    if not frappe.db.exists("DocType", doctype) or not frappe.db.exists(doctype, name):
        pytest.skip(f"this site has no {doctype} {name}")
    arguments = {"name": "Test Renamed", "force": 1, "validate_rename": 0}
    for client in (clients(web)["outside"], Client(web).with_token(factory.user("step_stranger", roles=()))):
        asked = {"dt": doctype, "dn": name, "method": "rename", "args": json.dumps(arguments)}
        assert call(client, "run_doc_method", **asked).status_code in (403, 404, 417)
        renamed = {"doctype": doctype, "old_name": name, "new_name": "Test Renamed"}
        assert call(client, "frappe.client.rename_doc", **renamed).status_code in (403, 404, 417)
    frappe.db.rollback()
    assert frappe.db.exists(doctype, name)


def test_a_prepared_report_that_may_be_about_ours_is_its_makers(web, rows):
    # Seen failing: whoever might make the report read what a colleague of another organization had got.
    report = insert("Report", report_name="Test Prepared", ref_doctype="ToDo", report_type="Report Builder", json="{}")
    maker = factory.user("step_inside", factory.ALPHA, roles=("Dartwing Admin", "Desk User"), org_role="Admin")
    prepared = insert("Prepared Report", report_name=report.name, status="Completed", filters="{}")
    prepared.db_set("owner", maker)
    readers = dict.fromkeys(("step_inside", "step_outside"), ("Dartwing Admin", "Desk User", "Prepared Report User"))
    frappe.db.commit()
    try:
        for name, roles in readers.items():
            user = factory.user(
                name, factory.ALPHA if name == "step_inside" else factory.BETA, roles=roles, org_role="Admin"
            )
            frappe.db.commit()
            listed = as_user(user, frappe.get_list, "Prepared Report", {"name": prepared.name})
            assert bool(listed) == (name == "step_inside")
            seen = as_user(user, frappe.has_permission, "Prepared Report", "read", prepared)
            assert seen == (name == "step_inside")
    finally:
        removed(prepared, report)


def test_nobody_runs_a_report_as_another_user_who_has_prepared_it(web, rows):
    # Seen failing: Frappe hands out the prepared report of any user named, or of any name.
    report = insert("Report", report_name="Test Prepared", ref_doctype="ToDo", report_type="Report Builder", json="{}")
    report.db_set("prepared_report", 1)
    maker = factory.user("step_inside", factory.ALPHA, roles=("Dartwing Admin", "Desk User"), org_role="Admin")
    prepared = prepared_report(report.name, maker)
    frappe.db.commit()
    outside = clients(web)["outside"]
    named = json.dumps({"prepared_report_name": prepared.name})
    try:
        for more in ({"user": maker}, {"filters": named}, {"filters": named, "user": maker}):
            answer = call(outside, "frappe.desk.query_report.run", report_name=report.name, **{"filters": "{}", **more})
            assert SECRET not in answer.text
    finally:
        removed(prepared, report)


def test_a_report_on_tasks_is_prepared_in_the_background(site):
    # Seen failing: the file with its rows was refused, also to System Managers.
    report = insert("Report", report_name="Test Prepared", ref_doctype="ToDo", report_type="Report Builder", json="{}")
    prepared = insert("Prepared Report", report_name=report.name, status="Queued", filters="{}")
    file = {"doctype": "File", "file_name": "test.json.gz", "content": b"x", "is_private": 1}
    file |= {"attached_to_doctype": prepared.doctype, "attached_to_name": prepared.name}
    guard.before_job("frappe.core.doctype.prepared_report.prepared_report.generate_report", {})
    try:
        made = frappe.get_doc(file).save(ignore_permissions=True)
        assert frappe.db.exists("File", made.name)
        with pytest.raises(frappe.PermissionError, match="Nothing can be added"):
            frappe.get_doc({**file, "content": b"y"}).save()
    finally:
        frappe.flags.pop(by_request.FLAG, None)
        removed(prepared, report)
