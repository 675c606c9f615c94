"""Who changes files of ours, and what a document of ours shows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.jobs.store import private_files
from tests.support import factory, files, tenants
from tests.support.files import REFUSED
from tests.support.http import Client, call
from tests.support.uploads import OF_ALPHA, PRIVATE, PUBLIC, changed, made, new_name, read, uploaded

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


# Fields of our documents -------------------------------------------------------------------------------------------


@pytest.fixture
def scan(kept) -> Iterator[str]:
    """A field for files that a site has added to schedules."""
    values = {"dt": "Job Schedule", "fieldname": "test_scan", "fieldtype": "Attach", "label": "Test Scan"}
    field = frappe.get_doc({"doctype": "Custom Field", **values}).insert()
    frappe.db.commit()
    yield "test_scan"
    frappe.db.rollback()
    field.delete()
    frappe.db.commit()
    frappe.clear_cache(doctype="Job Schedule")


def test_a_document_of_ours_shows_its_own_files_alone(web, admin, stranger, of_schedule, scan):
    # Seen failing: Frappe attached the file of a stranger, who could not read it any more.
    theirs = uploaded(stranger, "theirs", file_name=new_name("test-theirs"))
    path = f"{admin.url}/api/resource/Job Schedule/{of_schedule['attached_to_name']}"

    def shows(address: str) -> int:
        return admin.http.put(path, json={scan: address}, timeout=60).status_code

    other = uploaded(Client(web).with_token(tenants.email_of("manager")), **OF_ALPHA)
    wide = f"\uff0fprivate/files/{theirs['file_name']}"
    spelled = [theirs["file_url"].upper(), f" {theirs['file_url']}", wide, "x.txt"]
    for address in (theirs["file_url"], f"/private/files/./{theirs['file_name']}", other["file_url"], *spelled):
        assert shows(address) in REFUSED, address
    assert read(stranger, theirs["file_url"]) == (200, b"theirs")
    # Seen failing: also of a published one, which its owner could neither change nor delete any more.
    published = uploaded(stranger, "published", file_name=new_name("test-published"), **PUBLIC)
    assert shows(published["file_url"]) in REFUSED
    assert changed(stranger, published["name"], **PRIVATE).status_code == 200
    own = uploaded(admin, "own", **of_schedule, attached_to_field=scan)
    assert shows(own["file_url"]) == 200
    assert shows("/files/logo.png") == shows("https://example.com/a.png") == 200
    # Seen failing: Frappe attached it to the new schedule. It compares addresses as the database does.
    values = {"title": "Test Taken", "organization": factory.ALPHA, "job_type": "echo_job", "frequency": "Cron"}
    values |= {"cron": "0 0 1 1 *", "__temporary_name": of_schedule["attached_to_name"], scan: own["file_url"].upper()}
    taken = admin.http.post(f"{admin.url}/api/resource/Job Schedule", json=values, timeout=60)
    assert taken.status_code in REFUSED, taken.text
    assert read(admin, own["file_url"]) == (200, b"own")
    frappe.db.rollback()
    assert private_files.is_kept(frappe.db.get_value("File", own["name"], "file_url"))
