"""Holes that show rows about our documents: in lists, mails, downloads and merges."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import frappe
import pytest
from frappe import client
from frappe.core.doctype.report.report import Report
from frappe.desk.doctype.notification_log import notification_log
from frappe.desk.form import document_follow
from frappe.email.doctype.auto_email_report.auto_email_report import AutoEmailReport
from frappe.model.document import Document
from frappe.website.doctype.personal_data_download_request import personal_data_download_request

from dartwing_core.wall import lookup_rules, mailed_reports, personal_rows, query_rules, references, report_access
from dartwing_core.wall.frappe_version import IS_15
from tests.support.holes.scene import JOB, ORGANIZATION, ROW, Scene, hole

OF_JOBS = "Dead Letters by Error"


@contextmanager
def off(module: Any, **hooks: Any) -> Iterator[None]:
    """Let these hooks of a rule return what they return where the rule has no opinion."""
    with pytest.MonkeyPatch.context() as patch:
        for name, opinion in hooks.items():
            patch.setattr(module, name, lambda *_arguments, opinion=opinion, **_named: opinion)
        yield


def insert(doctype: str, **values: Any) -> Document:
    """Insert a row, whatever the user may do."""
    return frappe.get_doc({"doctype": doctype, **values}).insert(ignore_permissions=True)


@hole("joined_conditions", 15)
def lists_pass_by_conditions_behind_an_or(scene: Scene) -> bool:
    """Frappe joins the conditions of permissions without parentheses."""
    values = {"file_name": f"{scene.secret}.txt", "content": scene.secret, "is_private": 0}
    file = insert("File", **values, attached_to_doctype=ORGANIZATION, attached_to_name=scene.organization)
    lists = query_rules.Query if IS_15 else lookup_rules.Lookup
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "get_permission_query_conditions", inspect.unwrap(lists.get_permission_query_conditions))
        return scene.secret in scene.told(frappe.get_list, "File", filters={"name": file.name}, fields=["file_name"])


@hole("references", 15, 16)
def lists_tags_of_all_documents(scene: Scene) -> bool:
    """Frappe lists tags of hidden documents."""
    tag = insert("Tag", name="test-hole").name
    insert("Tag Link", document_type=ORGANIZATION, document_name=scene.organization, tag=tag)
    with off(references, reference_conditions=""):
        listed = scene.told(client.get_list, "Tag Link", fields=["document_name"], limit_page_length=0)
    return scene.organization in listed


@hole("personal_rows", 15, 16)
def shows_notices_to_all(scene: Scene) -> bool:
    """Frappe shows a notice to other users than its own."""
    notice = insert("Notification Log", for_user=scene.other, subject=scene.secret, document_type=JOB)
    with off(personal_rows, has_permission=True):
        return scene.secret in scene.told(client.get, "Notification Log", notice.name)


def mailing(report: str, user: str) -> Document:
    """A daily mail with this report."""
    values: dict[str, Any] = {
        "report": report,
        "user": user,
        "email_to": "a@example.com",
        "frequency": "Daily",
        "format": "CSV",
    }
    values |= {"enabled": 1, "day_of_week": "Monday", "no_of_rows": 100, "filters": "{}"}
    return insert("Auto Email Report", **values)


def content(mailing: Document) -> str:
    """What such a mail holds."""
    found = inspect.unwrap(AutoEmailReport.get_report_content)(mailing)
    return found.decode() if isinstance(found, bytes) else str(found)


@hole("mailed_reports: reports as another user", 15, 16)
def mails_what_another_user_sees(scene: Scene) -> bool:
    """Frappe mails a report with the permissions of a user of choice."""
    columns = json.dumps({"fields": [["name", JOB]], "filters": [[JOB, "name", "=", scene.hidden]]})
    values = {"report_name": "Test Hole", "ref_doctype": JOB, "is_standard": "No", "report_type": "Report Builder"}
    report = insert("Report", json=columns, **values)
    with off(mailed_reports, check_sending=None, check_report=None):
        made = scene.answer(mailing, report.name, "Administrator")
        return scene.hidden in content(made)


@hole("report_access: prepared reports", 15, 16)
def prepares_reports_on_jobs(scene: Scene) -> bool:
    """Frappe prepares a report without asking whether the user may run it."""
    with off(report_access, check_preparing=None):
        return scene.outcome(insert, "Prepared Report", report_name=OF_JOBS, filters="{}") == ""


@hole("renames", 15, 16)
def merges_without_the_permission_to_write(scene: Scene) -> bool:
    """Frappe merges a document into one that the user may only read."""
    frappe.share.add_docshare(ROW, scene.hidden_row, scene.user, read=1, flags={"ignore_share_permission": True})
    frappe.db.set_value(ROW, scene.hidden_row, "subject", scene.secret)
    own = frappe.get_doc(ROW, scene.own_row)
    scene.answer(own.rename, scene.hidden_row, merge=True, force=True, validate_rename=False)
    return own.subject == scene.secret and not frappe.db.exists(ROW, scene.own_row)


@hole("loaded_documents", 15, 16)
def copies_a_hidden_row_that_is_called_new(scene: Scene) -> bool:
    """Frappe saves a copy of a hidden row that calls itself new."""
    frappe.db.set_value(ROW, scene.hidden_row, "subject", scene.secret)

    def copy() -> Any:
        document = frappe.get_doc(ROW, scene.hidden_row)
        return document.update({"__islocal": 1, "owner": scene.user}).save().as_dict()

    return scene.secret in scene.told(copy)


@hole("child_rows", 15, 16)
def takes_a_row_from_another_account(scene: Scene) -> bool:
    """Frappe moves a child row of another document into the saved one."""
    place = {"parent": scene.other, "parenttype": "User", "parentfield": "defaults"}
    row = insert("DefaultValue", **place, defkey="test_hole", defvalue="x")

    def save() -> Any:
        own = frappe.get_doc("User", scene.user)
        own.append("defaults", {"name": row.name, "defkey": "test_hole", "defvalue": "x"})
        return own.save().name

    scene.answer(save)
    return frappe.db.get_value("DefaultValue", row.name, "parent") == scene.user


@hole("rows_alone", 15, 16)
def changes_a_row_of_another_account(scene: Scene) -> bool:
    """Frappe saves a child row alone, without the permission of its parent."""
    place = {"parent": scene.other, "parenttype": "User", "parentfield": "defaults"}
    row = insert("DefaultValue", **place, defkey="test_hole", defvalue="x")
    row.defvalue = "changed"
    scene.answer(lambda: row.save().name)
    return frappe.db.get_value("DefaultValue", row.name, "defvalue") == "changed"


@hole("role_names", 15, 16)
def runs_a_report_by_roles_of_a_block(scene: Scene) -> bool:
    """Frappe takes roles of a document of another DocType for those of a report."""
    values = {"report_name": "Test Hole", "ref_doctype": "Note", "report_type": "Query Report", "is_standard": "No"}
    report = insert("Report", **values, query="select 1", roles=[{"role": "System Manager"}])
    insert("Custom HTML Block", __newname=report.name, roles=[{"role": "All"}])
    return scene.answer(inspect.unwrap(Report.is_permitted), report) is True


@hole("sent_later: notices", 15, 16)
def notifies_whoever_is_named(scene: Scene) -> bool:
    """Frappe makes notices for users who may not see the document."""
    about = frappe._dict(type="Alert", document_type=ORGANIZATION, document_name=scene.organization, subject="x")
    inspect.unwrap(notification_log.make_notification_logs)(about, [scene.user])
    return bool(frappe.db.exists("Notification Log", {"for_user": scene.user, "document_name": scene.organization}))


@hole("sent_later: followers", 15, 16)
def mails_to_followers_who_see_no_more(scene: Scene) -> bool:
    """Frappe mails to followers of a document that they may not see."""
    insert("Document Follow", ref_doctype=ORGANIZATION, ref_docname=scene.organization, user=scene.user)
    followed = inspect.unwrap(document_follow.get_document_followed_by_user)
    return scene.organization in scene.told(followed, scene.user)


@hole("mailed_reports: made as its user", 15, 16)
def runs_scripts_of_reports_as_the_scheduler(scene: Scene) -> bool:
    """Frappe makes a mailed report with the permissions of the scheduler."""
    insert("ToDo", description=scene.secret)
    return scene.secret in content(mailing("ToDo", scene.user))


@hole("sent_later: personal data", 15, 16)
def collects_the_data_of_any_user(scene: Scene) -> bool:
    """Frappe collects another user's texts about hidden documents."""
    about = {"reference_doctype": JOB, "reference_name": scene.hidden}
    insert("Comment", comment_type="Comment", content=scene.secret, **about).db_set("owner", scene.other)
    collect = inspect.unwrap(personal_data_download_request.get_user_data)
    return scene.secret in scene.told(collect, scene.other)
