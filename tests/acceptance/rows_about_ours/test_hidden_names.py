"""Pages, permissions, discussions and entries tell no names of documents that one may not see."""

from __future__ import annotations

import re

import frappe
import pytest

from tests.support import factory, http, named, tenants
from tests.support.http import Client, call
from tests.support.rows_about_ours import ACTORS, JOB, removed


@pytest.mark.parametrize("doctype", [JOB, "Organization", "Job Schedule"])
def test_nobody_discusses_our_documents_on_the_website(site, doctype):
    # Seen failing: Frappe sends each reply, and what it is about, to every visitor of the website.
    topic = {"doctype": "Discussion Topic", "title": "test", "reference_doctype": doctype, "reference_docname": "x"}
    with pytest.raises(frappe.PermissionError, match="can't be discussed"):
        frappe.get_doc(topic).insert(ignore_permissions=True, ignore_links=True)
    with_user = {**topic, "reference_doctype": "User", "reference_docname": "Administrator"}
    frappe.get_doc(with_user).insert(ignore_permissions=True)
    frappe.db.rollback()


def test_whom_user_permissions_bind_to_which_organization_is_not_told(stranger, web):
    # Seen failing: Frappe asks whether it is called by its short name, which nobody uses.
    user = factory.user("m_bert", factory.BETA)
    bound = frappe.get_doc(doctype="User Permission", user=user, allow="Organization", for_value=factory.BETA).insert()
    role = frappe.get_doc(doctype="User Permission", user=user, allow="Role", for_value="Guest").insert()
    frappe.db.commit()
    name = "frappe.core.doctype.user_permission.user_permission.get_user_permissions"
    try:
        for spelled in (user, user.upper(), f"{user}\u200b"):
            answer = call(stranger, name, user=spelled)
            assert "Organization" not in answer.text, answer.text
        assert "Role" in call(stranger, name, user=user).text, "what is not ours is as it was"
        own = Client(web).with_token(user)
        for body in ({}, {"user": user}):
            assert call(own, name, **body).json()["message"]["Organization"][0]["doc"] == factory.BETA
        assert "Organization" in call(tenants.client_of("manager", web), name, user=user).text
    finally:
        removed(bound, role)


@pytest.mark.parametrize("actor", ["user", "admin_a", "manager"])
def test_the_entry_under_which_a_job_ran_is_for_system_managers(web, actor):
    # Seen failing: a process runs jobs of many organizations under one entry, which names the first.
    own, entry = tenants.targets("user")["own"].name, "b::JOB-1K00000000000000BETA-1"
    frappe.db.set_value(JOB, own, "rq_job_id", entry)
    frappe.db.commit()
    client = tenants.client_of(actor, web)
    one = call(client, "frappe.client.get", doctype=JOB, name=own)
    some = call(client, "frappe.client.get_list", doctype=JOB, filters={"name": own}, fields=["name", "rq_job_id"])
    found = call(client, "frappe.client.get_list", doctype=JOB, filters={"rq_job_id": entry, "name": own})
    assert [entry in answer.text for answer in (one, some)] == [actor == "manager"] * 2
    assert (own in found.text) == (actor == "manager")
    frappe.db.rollback()


@pytest.mark.parametrize("actor", ["roleless", "guest"])
def test_an_account_without_membership_learns_no_names_of_job_types(web, actor):
    # Seen failing: other answers for types that there are.
    http.forget_limits()
    client = tenants.client_of(actor, web)
    told = []
    for name in ("echo_job", "no_such_job"):
        about = client.get("get_job_type_overview", job_type=name)
        made = client.post("submit_job", job_type=name, organization=factory.ALPHA)
        told.append([(answer.status_code, answer.text.replace(name, "$")) for answer in (about, made)])
    assert told[0] == told[1]
    assert told[0][1][0] in (401, 403)


def test_a_member_learns_what_is_wrong_with_a_job_type(web):
    client = tenants.client_of("portal", web)
    assert client.get("get_job_type_overview", job_type="echo_job").status_code == 200
    for organization, status in ((factory.ALPHA, 400), (factory.BETA, 403)):
        made = client.post("submit_job", job_type="no_such_job", organization=organization)
        assert made.status_code == status, made.text


@pytest.mark.parametrize(
    "spelled", ["Organization/{}", "//Organization/{}", "Organization%2F{}", "organization/{}.html"]
)
@pytest.mark.parametrize("actor", [*ACTORS, "guest"])
def test_the_page_of_a_hidden_document_is_that_of_a_missing_one(web, actor, spelled):
    # Seen failing on Frappe 15: guests told by it which old organizations there are.
    client = Client(web) if actor == "guest" else tenants.client_of(actor, web)
    with named.old_organization("Test Paged One"):
        frappe.db.commit()
        pages = [
            client.http.get(f"{web}/{spelled.format(name)}", timeout=60)
            for name in ("Test Paged One", "Test Paged Two")
        ]
    told = [(page.status_code, page.text.replace("Two", "One").count("\n")) for page in pages]
    titles = [
        re.findall("<title>(.*?)</title>|<meta name=.title. content=.(.*?).>", page.text, re.DOTALL) for page in pages
    ]
    assert (told[0], titles[0]) == (told[1], titles[1])
    assert "Traceback" not in pages[0].text


def test_the_page_of_ones_own_document_is_there(web):
    client = tenants.client_of("admin_b", web)
    assert client.http.get(f"{web}/Organization/{factory.BETA}", timeout=60).status_code == 200
