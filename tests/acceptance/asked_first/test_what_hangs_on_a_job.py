"""Comments, tags, followers and mails of a job are seen by those who see the job, and stay with it."""

from __future__ import annotations

import frappe
import pytest

from tests.support import factory, tenants
from tests.support.http import Client
from tests.support.named_requests import JOB

HANGING = {
    "Document Follow": ("ref_doctype", "ref_docname"),
    "Tag Link": ("document_type", "document_name"),
    "Comment": ("reference_doctype", "reference_name"),
    "Version": ("ref_doctype", "docname"),
}


@pytest.fixture
def hanging(job):
    """Rows of other DocTypes that name the job, and its organization."""
    names = []
    for doctype, fields in HANGING.items():
        for value in ((JOB, job), ("Organization", factory.ALPHA)):
            row = frappe.get_doc({"doctype": doctype, "user": "Administrator", "tag": "x", "comment_type": "Comment"})
            row.update(dict(zip(fields, value, strict=True)))
            row.db_insert()
            names.append((doctype, row.name))
    frappe.db.commit()
    yield names
    for doctype, name in names:
        frappe.db.delete(doctype, {"name": name})
    frappe.db.commit()


def test_what_hangs_on_a_job_is_listed_to_who_sees_it(web, hanging):
    # A website manager reads all comments; tags and followers are listed to everybody with a desk.
    roles = ("Dartwing User", "Website Manager", "Desk User")
    outsider = factory.user("m_website", factory.BETA, roles=roles)
    frappe.db.commit()
    for email, shows in ((outsider, False), (tenants.email_of("manager"), True)):
        client = Client(web).with_token(email)
        for doctype, name in hanging:
            body = {"doctype": doctype, "filters": {"name": name}}
            answer = client.http.post(f"{web}/api/method/frappe.client.get_list", json=body, timeout=60)
            assert bool(answer.json().get("message")) is shows, (doctype, answer.text)
            one = client.http.get(f"{web}/api/resource/{doctype}/{name}", timeout=60)
            assert (one.status_code == 200) is shows, (doctype, one.text)


@pytest.mark.parametrize("kind", ["job", "organization"])
def test_a_communication_is_not_moved_away(user, web, job, kind):
    reference = {"reference_doctype": JOB, "reference_name": job}
    if kind == "organization":
        reference = {"reference_doctype": "Organization", "reference_name": factory.BETA}
    row = frappe.get_doc({"doctype": "Communication", "communication_type": "Communication", **reference})
    row.db_insert()
    frappe.db.commit()
    body = {"name": row.name, "reference_doctype": "User", "reference_name": "test_bob@example.com"}
    answers = [user.http.post(f"{web}/api/method/frappe.email.relink", json={**body, "name": name}, timeout=60)
               for name in (row.name, "nowhere")]  # fmt: skip
    frappe.db.rollback()
    kept = frappe.db.get_value("Communication", row.name, ["reference_doctype", "reference_name"], as_dict=True)
    frappe.db.delete("Communication", {"name": row.name})
    frappe.db.commit()
    assert kept == reference
    assert tenants.plain(answers[0], row.name) == tenants.plain(answers[1], "nowhere")


def test_an_e_mail_is_not_linked_to_a_job_by_its_address(job):
    account = {"doctype": "Email Account", "email_id": "x@example.com", "email_account_name": "x", "enable_incoming": 1}
    row = frappe.get_doc({**account, "enable_automatic_linking": 1, "enable_outgoing": 0})
    row.db_insert()
    try:
        address = f"x+Background%20Job={job}@example.com"
        mail = {"doctype": "Communication", "subject": "x", "recipients": address, "sender": "y@example.com"}
        linked = frappe.get_doc({**mail, "communication_medium": "Email"}).insert(ignore_permissions=True)
        assert [one.link_name for one in linked.timeline_links if one.link_doctype == JOB] == []
    finally:
        frappe.db.rollback()
