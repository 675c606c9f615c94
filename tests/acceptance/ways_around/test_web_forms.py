"""A Web Form offers nobody what they may not see, and gives nobody a role."""

from __future__ import annotations

import json

import frappe
import pytest

from tests.support import factory
from tests.support.http import Client, call
from tests.support.sent_sql import JOB, RUN


@pytest.mark.parametrize("by_login", [0, 1])
@pytest.mark.parametrize(
    ("doctype", "field", "linked"),
    [(RUN, "background_job", JOB), ("Org Member", "organization", "Organization")],
)
def test_a_web_form_offers_nobody_what_they_may_not_see(web, stranger, job, by_login, doctype, field, linked):
    # Seen failing: it offers all that a link may lead to, to whoever opens it.
    form = frappe.get_doc(
        doctype="Web Form", title="Test Offer", route="test-offer", doc_type=doctype, module="Website"
    )
    form.update({"published": 1, "login_required": by_login, "allow_read_on_all_link_options": 1, "is_standard": 0})
    form.append("web_form_fields", {"fieldname": field, "fieldtype": "Link", "options": linked, "label": field})
    form.insert(ignore_permissions=True)
    frappe.db.commit()
    name = "frappe.website.doctype.web_form.web_form.get_form_data"
    try:
        for client in (stranger, Client(web)):
            for answer in (
                call(client, name, doctype=doctype, web_form_name=form.name),
                client.http.get(f"{web}/{form.route}", timeout=60),
            ):
                assert job[0].name not in answer.text
                assert "Alpha Ltd" not in answer.text
    finally:
        frappe.db.rollback()
        form.delete(ignore_permissions=True)
        frappe.db.commit()


def test_a_web_form_gives_nobody_a_role(web, alice, bob):
    # Seen failing: whoever may make Web Forms said who may write, and a member made others admins.
    form = frappe.get_doc(doctype="Web Form", title="Test Members", route="test-members", doc_type="Org Member")
    form.update({"module": "Website", "published": 1, "login_required": 1, "allow_multiple": 1, "is_standard": 0})
    for field, kind in (("organization", "Data"), ("user", "Data"), ("role", "Data")):
        form.append("web_form_fields", {"fieldname": field, "fieldtype": kind, "label": field})
    form.insert(ignore_permissions=True)
    frappe.db.commit()
    data = {"doctype": "Org Member", "organization": factory.ALPHA, "user": bob, "role": "Admin", "status": "Active"}
    name = "frappe.website.doctype.web_form.web_form.accept"
    try:
        answer = call(Client(web).with_token(alice), name, web_form=form.name, data=json.dumps(data))
        assert answer.status_code == 403, answer.text
    finally:
        frappe.db.rollback()
        form.delete(ignore_permissions=True)
        frappe.db.commit()


def test_a_web_form_tells_of_no_hidden_document(web, stranger):
    # Seen failing: the page of a hidden organization was another one than that of a missing one.
    form = frappe.get_doc(doctype="Web Form", title="Test Shown", route="test-shown", doc_type="Organization")
    form.update({"module": "Website", "published": 1, "login_required": 1, "is_standard": 0, "allow_edit": 1})
    form.append("web_form_fields", {"fieldname": "org_name", "fieldtype": "Data", "label": "x"})
    form.insert(ignore_permissions=True)
    hidden = frappe.get_doc({"doctype": "Organization", "org_name": "Test Shown By A Form"}).insert()
    frappe.db.commit()
    missing = f"{hidden.name[:-2]}00"
    try:
        pages = []
        for name in (hidden.name, missing):
            answer = stranger.http.get(f"{web}/{form.route}/{name}", timeout=60)
            pages.append((answer.status_code, len(answer.text)))
        assert pages[0] == pages[1]
    finally:
        frappe.db.rollback()
        form.delete(ignore_permissions=True)
        hidden.delete(ignore_permissions=True)
        frappe.db.commit()
