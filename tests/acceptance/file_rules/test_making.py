"""A File reads only files, and becomes no file of ours afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs.store import private_files
from tests.support import factory, files, tenants
from tests.support.files import REFUSED
from tests.support.http import Client, call
from tests.support.uploads import OF_ALPHA, PRIVATE, PUBLIC, changed, made, read, uploaded

pytestmark = pytest.mark.usefixtures("fresh_limits")


# Reading ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "/private/files/../../site_config.json",
        "/files/../../site_config.json",
        "/private/files/../backups/x.sql",
    ],
)
def test_a_file_reads_nothing_but_files(stranger, address):
    # Seen failing on 15: any account read the site's configuration and its backups.
    backup = Path(frappe.get_site_path("private", "backups", "x.sql"))
    backup.parent.mkdir(exist_ok=True)
    backup.write_text("INSERT INTO everything")
    try:
        for name in ("x.json", "site_config.json"):
            answer = made(stranger, file_url=address, file_name=name)
            assert answer.status_code in REFUSED, answer.text
        answer = call(stranger, "upload_file", file_url=address, is_private=1)
        assert answer.status_code in REFUSED, answer.text
        assert not any("db_password" in read(stranger, file.file_url)[1].decode() for file in files.new_files("x"))
    finally:
        backup.unlink()


def test_an_address_that_is_no_path_is_refused_at_once(stranger):
    # Seen failing: it was resolved part by part, which took seconds.
    answer = made(stranger, file_name="x.txt", file_url="/private/files/" + "a/" * 100_000)
    assert answer.status_code in REFUSED
    assert "longer than 2000 characters" in answer.text
    assert answer.elapsed.total_seconds() < 3, "a request of this size takes 0.1 s"


def test_a_long_address_of_this_site_is_refused_at_once(stranger):
    # Seen failing: as a link, its length was not looked at, and a request of 5 MB took minutes.
    site = f"http://{stranger.http.headers['Host']}"
    for start in (site, stranger.url):
        address = f"{start}/private/%66iles/{'x/../' * 200_000}a.txt"
        answer = made(stranger, file_name="x.txt", file_url=address)
        assert answer.elapsed.total_seconds() < 5, start
        assert answer.status_code < 500, "refused, or a link where the site has another name"


def test_a_long_address_of_another_site_is_as_frappe_has_it(stranger):
    # Seen failing: signed addresses were refused, and documents with older ones could not be deleted.
    link = made(stranger, file_name="x.txt", file_url="https://other.example.com/x?signature=" + "a" * 3_000)
    assert link.status_code == 200, link.text
    name = link.json()["data"]["name"]
    assert changed(stranger, name, file_name="y.txt").status_code == 200
    assert changed(stranger, name, **PUBLIC).status_code == 200
    assert call(stranger, "frappe.client.delete", doctype="File", name=name).status_code == 200


def test_who_has_left_unpacks_none_of_the_files_that_they_have_attached(member):
    # Seen failing: Frappe asked only for the owner.
    user = factory.user("file_leaver", factory.ALPHA)
    client = Client(member.url).with_token(user)
    file = uploaded(Client(member.url).with_token(tenants.email_of("manager")), "of alpha", **OF_ALPHA)
    frappe.db.rollback()
    frappe.db.set_value("File", file["name"], "owner", user)
    frappe.db.commit()
    named = {"files": json.dumps([file["name"]])}
    assert b"of alpha" in files.unzipped(call(client, "frappe.core.api.file.zip_files", **named).content)
    row = {"user": user, "organization": factory.ALPHA}
    frappe.db.set_value("Org Member", row, "status", "Inactive")
    frappe.db.commit()
    frappe.clear_cache(user=user)
    assert b"of alpha" not in files.unzipped(call(client, "frappe.core.api.file.zip_files", **named).content)


# Becoming ours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["{}", "./{}", "x/../{}"])
@pytest.mark.parametrize("more", [{}, {"is_folder": 1}, {"is_folder": "0"}, {"content_hash": "job-x"}])
def test_nobodys_file_becomes_one_of_an_organization(admin, stranger, spelled, more):
    # Seen failing: its bytes were moved away, or nobody could use its name any more.
    theirs = uploaded(stranger, "theirs", file_name="test-theirs.txt")
    address = f"/private/files/{spelled.format(theirs['file_url'].rpartition('/')[2])}"
    for way in ({**OF_ALPHA, "file_url": address, **more}, {"file_url": address, "file_name": "x.txt", **more}):
        answer = made(admin, **way)
        if answer.status_code == 200:  # Frappe's own way with a known address
            name = answer.json()["data"]["name"]
            assert way.keys().isdisjoint(OF_ALPHA), answer.text
            later = changed(admin, name, **OF_ALPHA, **more)
            assert later.status_code in REFUSED, later.text
    assert read(stranger, theirs["file_url"]) == (200, b"theirs")
    assert changed(stranger, theirs["name"], file_type="TXT").status_code == 200
    assert uploaded(stranger, "another", file_name="test-theirs.txt")["file_url"]


@pytest.mark.parametrize(
    "sent", [{"file_url": "/private/files/test-own.txt", "is_private": 0}, {"is_private": "1"}, {"content_hash": "x"}]
)
def test_each_private_file_of_ours_lies_in_their_folder(admin, of_schedule, sent):
    # Seen failing: with an address in the request, it had a name that one guesses, and shared its bytes.
    file = uploaded(admin, "of alpha", **of_schedule, **sent)
    assert private_files.is_kept(file["file_url"]), file
    assert file["file_url"] != "/private/files/test-own.txt"
    assert file["is_private"] == 1


def test_a_member_who_may_only_read_attaches_nothing(member):
    # Seen failing: Frappe asks for the permission to write for an upload alone.
    answer = made(member, file_name="planted.html", content="x", **OF_ALPHA)
    assert answer.status_code in REFUSED, answer.text


def test_a_hash_is_nothing_that_one_sends(admin, member, stranger, of_schedule):
    # Seen failing: with the hash of another file, one's own took its place, and was published.
    theirs = uploaded(admin, "theirs", **of_schedule)
    assert private_files.is_kept(theirs["file_url"])
    for client in (member, stranger):
        for hashed in (theirs["content_hash"], "job-x"):
            own = uploaded(client)
            assert changed(client, own["name"], content_hash=hashed).status_code in REFUSED
            assert changed(client, own["name"], content_hash=hashed, **of_schedule).status_code in REFUSED
            assert changed(client, own["name"], content_hash=hashed, **OF_ALPHA).status_code in REFUSED
    mine = uploaded(admin, "mine", **of_schedule)
    forged = {"content_hash": theirs["content_hash"], "is_private": 0}
    for values in (forged, {"content_hash": "job-x"}, {"file_url": theirs["file_url"]}, PUBLIC, {"is_folder": 1}):
        assert changed(admin, mine["name"], **values).status_code in REFUSED, values
    now = frappe.db.get_value("File", theirs["name"], ["file_url", "is_private"])
    assert now == (theirs["file_url"], 1)


def test_what_is_uploaded_is_read_and_deleted_there(admin, of_schedule):
    file = uploaded(admin, "of alpha", file_name="契約" * 40 + ".txt", **of_schedule)
    assert private_files.is_kept(file["file_url"])
    assert file["file_name"].startswith("契約")
    assert read(admin, file["file_url"]) == (200, b"of alpha")
    assert call(admin, "frappe.client.delete", doctype="File", name=file["name"]).status_code == 200
    assert not files.on_disk(frappe._dict(file)).exists()


def test_a_link_and_a_published_file_are_as_frappe_has_them(admin, of_schedule):
    link = made(admin, file_url="https://other.example.com/a.txt", file_name="a.txt", **of_schedule)
    assert link.status_code == 200, link.text
    logo = uploaded(admin, "logo", file_name="test-logo.txt", **PUBLIC, **of_schedule)
    assert logo["file_url"].startswith("/files/")
    assert not private_files.is_kept(logo["file_url"])


def test_code_of_the_site_attaches_a_copy_of_a_file_that_is_there(site):
    values = {"doctype": "File", "file_name": "test-there.txt", "content": "there", **PRIVATE}
    there = frappe.get_doc(values).insert()
    copy = frappe.get_doc({"doctype": "File", "file_url": there.file_url, **OF_ALPHA}).insert()
    frappe.db.commit()
    assert copy.file_url != there.file_url
    assert (copy.is_private, copy.get_content()) == (1, "there")
    there.delete()
    assert copy.exists_on_disk()
