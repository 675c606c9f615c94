"""Published files of our documents: their own File alone deletes, moves and writes them."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import frappe
import pytest
from PIL import Image

from tests.support import factory, tenants
from tests.support.files import REFUSED
from tests.support.http import Client, call
from tests.support.uploads import OF_ALPHA, PRIVATE, PUBLIC, changed, new_name, read, uploaded

pytestmark = pytest.mark.usefixtures("fresh_limits")


def test_a_published_file_of_ours_is_shared_with_nobody(admin, stranger, of_schedule):
    # Seen failing: who uploaded equal content took it offline for all.
    logo = uploaded(admin, "logo of alpha", file_name=new_name("test-logo"), **PUBLIC, **of_schedule)
    own = uploaded(stranger, "logo of alpha", file_name=logo["file_name"], **PUBLIC)
    assert own["file_url"] != logo["file_url"]
    assert changed(stranger, own["name"], **PRIVATE).status_code == 200
    assert read(admin, logo["file_url"]) == (200, b"logo of alpha")


@pytest.mark.parametrize("address", ["/files/{}", "/files//{}", "/files/./{}", "/private/files/../../public/files/{}"])
@pytest.mark.parametrize("way", ["delete", "thumbnail", "hide"])
def test_its_bytes_are_deleted_and_moved_by_nobody_else(admin, stranger, of_schedule, way, address):
    # Seen failing: any account did it through a File of its own, as Frappe lets it with all others.
    logo = uploaded(admin, "logo of alpha", file_name=new_name("test-logo"), **PUBLIC, **of_schedule)
    own = uploaded(stranger, file_name=new_name("test-mine"), **PUBLIC)
    odd = address.format(logo["file_url"].rpartition("/")[2])
    changed(stranger, own["name"], **{"thumbnail_url" if way == "thumbnail" else "file_url": odd})
    if way == "hide":
        changed(stranger, own["name"], **PRIVATE)
    else:
        call(stranger, "frappe.client.delete", doctype="File", name=own["name"])
    assert read(admin, logo["file_url"]) == (200, b"logo of alpha")
    frappe.db.rollback()
    frappe.db.set_value("File", own["name"], {"file_url": "", "thumbnail_url": ""})  # else Frappe never deletes it
    frappe.db.commit()
    assert call(admin, "frappe.client.delete", doctype="File", name=logo["name"]).status_code == 200
    assert not Path(frappe.get_site_path("public", logo["file_url"].lstrip("/"))).exists()


def picture_of(color: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(content, "PNG", compress_level=0)  # so that there is something to optimize
    return content.getvalue()


def test_its_bytes_are_written_by_nobody_else(web, admin, stranger, of_schedule):
    # Seen failing: Frappe writes an optimized picture to the name in the document that is sent along.
    def picture(color: str, **values):
        values |= {"file_name": f"{frappe.generate_hash()}.png", "content": picture_of(color), **PUBLIC}
        return frappe.get_doc({"doctype": "File", **values}).insert(ignore_permissions=True)

    logo, own = picture("red", **of_schedule), picture("blue")
    own.db_set("owner", factory.user("file_stranger", roles=()))
    frappe.db.commit()
    before = read(admin, logo.file_url)[1]
    sent = stranger.http.get(f"{web}/api/resource/File/{own.name}", timeout=60).json()["data"]
    docs = json.dumps({**sent, "file_name": logo.file_url.rpartition("/")[2]})
    call(stranger, "run_doc_method", docs=docs, method="optimize_file")  # of the stranger's own picture, where it lies
    assert read(admin, logo.file_url)[1] == before


def test_who_may_only_read_it_writes_none_of_its_bytes(web, member):
    # Seen failing: Frappe wrote the bytes of a document that was sent along, and refused the save after that.
    manager = Client(web).with_token(tenants.email_of("manager"))
    content = base64.b64encode(picture_of("red")).decode()
    values = {"file_name": f"{frappe.generate_hash()}.png", "content": content, "decode": True, **PUBLIC}
    logo = uploaded(manager, **values, **OF_ALPHA)
    before = read(member, logo["file_url"])[1]
    for more in ({}, {"attached_to_doctype": None, "attached_to_name": None}):
        docs = json.dumps({**logo, **more, "content": content})
        call(member, "run_doc_method", docs=docs, method="optimize_file")
        assert read(member, logo["file_url"])[1] == before


def test_the_picture_of_a_user_is_no_copy_at_each_save(web, stranger):
    # Seen failing: each save of the user added a File and a copy of the bytes.
    manager = Client(web).with_token(tenants.email_of("manager"))
    logo = uploaded(manager, "a logo", file_name=new_name("test-picture"), **PUBLIC, **OF_ALPHA)
    user = factory.user("file_stranger", roles=())
    frappe.db.commit()
    for name in ("A", "B"):
        body = {"user_image": logo["file_url"], "last_name": name}
        answer = stranger.http.put(f"{web}/api/resource/User/{user}", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
    frappe.db.rollback()
    about = {"attached_to_doctype": "User", "attached_to_name": user}
    (file,) = frappe.get_all("File", filters=about, fields=["name", "file_url"])
    assert file.file_url == logo["file_url"]
    frappe.db.commit()  # the web process notes in the account when it was last used: later than this snapshot
    frappe.delete_doc("File", file.name, force=True)
    frappe.db.set_value("User", user, {"user_image": None, "last_name": None})
    frappe.db.commit()
    assert read(manager, logo["file_url"]) == (200, b"a logo")


@pytest.mark.parametrize("way", ["hide", "delete"])
def test_a_published_file_that_is_chosen_becomes_a_copy(admin, stranger, of_schedule, way):
    # Seen failing: its owner could not take it offline any more, or a stranger with equal content took it from ours.
    theirs = uploaded(stranger, "theirs", file_name=new_name("test-chosen"), **PUBLIC)
    row = {"file_name": theirs["file_name"], "file_url": theirs["file_url"], **of_schedule, **PUBLIC}
    chosen = admin.http.post(f"{admin.url}/api/resource/File", json=row, timeout=60)
    assert chosen.status_code == 200, chosen.text
    if way == "hide":
        assert changed(stranger, theirs["name"], **PRIVATE).status_code == 200
    else:
        assert call(stranger, "frappe.client.delete", doctype="File", name=theirs["name"]).status_code == 200
    assert read(admin, theirs["file_url"])[1] != b"theirs"
    assert read(admin, chosen.json()["data"]["file_url"]) == (200, b"theirs")
    assert changed(admin, theirs["name"], **of_schedule).status_code in REFUSED, "nor does it become ours later"


def test_an_optimized_picture_stays_ours(admin, of_schedule):
    # Seen failing: it got the hash of its new content, so a stranger with equal content deleted it.
    content = base64.b64encode(picture_of("green")).decode()
    logo = uploaded(admin, content, file_name=f"{frappe.generate_hash()}.png", decode=True, **PUBLIC, **of_schedule)
    answer = call(admin, "run_doc_method", docs=json.dumps(logo), method="optimize_file")
    assert answer.status_code == 200, answer.text
    frappe.db.rollback()
    hashed = frappe.db.get_value("File", logo["name"], "content_hash")
    assert hashed == logo["content_hash"]


def test_a_document_of_ours_has_no_folders(admin, of_schedule):
    # Seen failing: a folder that was not empty kept the organization from being deleted.
    row = {"is_folder": 1, "file_name": frappe.generate_hash(), **of_schedule}
    answer = admin.http.post(f"{admin.url}/api/resource/File", json=row, timeout=60)
    assert answer.status_code in REFUSED
    file = uploaded(admin, **of_schedule)
    assert changed(admin, file["name"], thumbnail_url="/files/x/../y").status_code in REFUSED


def test_a_published_file_is_chosen_from_the_library(web, stranger):
    # Seen failing: it was refused, also to System Managers.
    manager = Client(web).with_token(tenants.email_of("manager"))
    logo = uploaded(manager, "a logo", file_name=new_name("test-library"), **PUBLIC)
    about = {"doctype": "Organization", "docname": OF_ALPHA["attached_to_name"], "library_file_name": logo["name"]}
    assert call(manager, "upload_file", **about).status_code == 200
