"""Who changes files of ours, and what a document of ours shows."""

from __future__ import annotations

import json

import frappe
import pytest

from tests.support import factory, files, tenants
from tests.support.files import REFUSED
from tests.support.http import Client, call
from tests.support.uploads import OF_ALPHA, PUBLIC, changed, made, read, uploaded

pytestmark = pytest.mark.usefixtures("fresh_limits")


# Who may change them -----------------------------------------------------------------------------------------------


def test_who_may_only_read_the_document_changes_none_of_its_files(web, member):
    # Seen failing: Frappe lets the owner of a File change and delete it for ever.
    user = factory.user("file_member", factory.ALPHA)
    file = uploaded(Client(web).with_token(tenants.email_of("manager")), "of alpha", **OF_ALPHA)
    frappe.db.rollback()
    frappe.db.set_value("File", file["name"], "owner", user)
    frappe.db.commit()
    assert read(member, file["file_url"]) == (200, b"of alpha")
    assert changed(member, file["name"], file_type="TXT").status_code in REFUSED
    assert call(member, "frappe.client.delete", doctype="File", name=file["name"]).status_code in REFUSED
    assert files.on_disk(frappe._dict(file)).exists()


def test_a_document_is_saved_as_an_api_client_knows_it(admin, of_schedule):
    # Seen failing: without the hash it was refused, as if another file was to take its place.
    for about in ({}, of_schedule):
        file = uploaded(admin, **about)
        sent = {**file, "file_type": "CSV", "content_hash": None}
        answer = call(admin, "frappe.client.save", doc=json.dumps(sent))
        assert answer.status_code == 200, answer.text
        assert answer.json()["message"]["content_hash"] == file["content_hash"]


def test_a_file_of_ours_keeps_its_name_and_stays_private(admin, of_schedule):
    # The bytes belong to the name. Frappe publishes what has the last part of the address for a name.
    file = uploaded(admin, "of alpha", **of_schedule)
    with pytest.raises(frappe.PermissionError, match="can't be renamed"):
        frappe.rename_doc("File", file["name"], "another", force=True)
    found = frappe.get_doc("File", file["name"])
    found.is_private = 0
    with pytest.raises(frappe.PermissionError, match="can't be moved or changed"):
        found.save()
    frappe.db.rollback()
    assert read(admin, file["file_url"]) == (200, b"of alpha")


def test_an_upload_changes_no_words_of_others(admin, of_schedule):
    # Seen failing: an upload with an address beside its content replaced that text in each comment on the document.
    about = {"reference_doctype": "Job Schedule", "reference_name": of_schedule["attached_to_name"]}
    words = {"comment_type": "Comment", "content": "See /private/files/plan.png, page 2"}
    comment = frappe.get_doc({"doctype": "Comment", **words, **about}).insert(ignore_permissions=True)
    frappe.db.commit()
    uploaded(admin, file_url="/private/files/plan.png", **of_schedule)
    frappe.db.rollback()
    assert frappe.db.get_value("Comment", comment.name, "content") == words["content"]


def test_names_beside_ours_are_free(admin, stranger, of_schedule):
    # Seen failing: uploads and links whose last part was that of a job's file were refused.
    file = uploaded(admin, "of alpha", **of_schedule)
    name = file["file_url"].rpartition("/")[2]
    for values in (PUBLIC, {"is_private": 1}):
        own = uploaded(stranger, file_name=name, **values)
        assert call(stranger, "frappe.client.delete", doctype="File", name=own["name"]).status_code == 200
    link = made(stranger, file_url=f"https://other.example.com/{name}", file_name="x.txt")
    assert link.status_code == 200, link.text
    assert read(admin, file["file_url"]) == (200, b"of alpha")


@pytest.mark.parametrize("address", ["/api/method/../../site_config.json", "/api/method/x"])
def test_an_address_of_a_function_reads_no_file(stranger, address):
    answer = made(stranger, file_url=address, file_name="x.json")
    if answer.status_code == 200:  # Frappe 16 takes it for a link
        packed = call(stranger, "frappe.core.api.file.zip_files", files=json.dumps([answer.json()["data"]["name"]]))
        assert b"db_password" not in files.unzipped(packed.content)
