"""The folder of our private files: nobody moves it, leads another file into it or out of it, or leaves there what stops
the clean-up.
"""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs.recovery import retention
from dartwing_core.jobs.store import private_files
from tests.support import files, tenants
from tests.support.files import REFUSED
from tests.support.http import Client, call
from tests.support.uploads import PRIVATE, PUBLIC, changed, made, new_name, read, uploaded

pytestmark = pytest.mark.usefixtures("fresh_limits")


@pytest.fixture
def theirs(admin, of_schedule) -> dict:
    """A private file of a schedule of Test Alpha."""
    return uploaded(admin, "of alpha", file_name="plan.txt", **of_schedule)


# Moved as a whole -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "/private/files/%64artwing_core",
        "/private/files/nowhere/dartwing_core",
        "/private/files/nowhere/../%64artwing_core",
        "/private/files/x/%2e/dartwing_core",
        "/private/files/dartwing_core",
        "/private/files/x/",
    ],
)
def test_the_folder_is_not_published(admin, stranger, theirs, address):
    # Seen failing: Frappe moves what has the last part of the address for a name. Any account moved all files.
    own = uploaded(stranger)
    assert changed(stranger, own["name"], file_url=address, **PUBLIC).status_code != 200
    assert private_files.folder().is_dir()
    assert not Path(frappe.get_site_path("public", "files", "dartwing_core")).exists()
    assert read(admin, theirs["file_url"]) == (200, b"of alpha")


@pytest.mark.parametrize("address", ["/files/./dartwing_core", "/files/dartwing_core", "/private/files//dartwing_core"])
def test_a_folder_that_becomes_a_file_publishes_nothing(admin, stranger, theirs, address):
    # Seen failing: Frappe checks no address of a File that is a folder.
    row = {"is_folder": 1, "file_name": frappe.generate_hash(), "file_url": address, "folder": "Home", **PRIVATE}
    answer = made(stranger, **row)
    if answer.status_code == 200:
        name = answer.json()["data"]["name"]
        assert changed(stranger, name, is_folder=0, **PUBLIC).status_code != 200
    assert read(admin, theirs["file_url"]) == (200, b"of alpha")


# Into it and out of it ------------------------------------------------------------------------------------------------


def test_no_other_spelling_reads_a_file_of_ours(stranger, theirs):
    # Seen failing: two slashes, by the row of a folder.
    name = theirs["file_url"].rpartition("/")[2]
    for address in (
        f"/private/files//dartwing_core/{name}",
        f"/private/files/dartwing_core//{name}",
        f"/private//files/dartwing_core/{name}",
        f"/private/files/./dartwing_core/{name}",
        f"/private/files/dartwing_core/x/../{name}",
    ):
        for more in ({"is_folder": 1}, {}):
            made(stranger, file_name=frappe.generate_hash(), file_url=address, **PRIVATE, **more)
            assert b"alpha" not in read(stranger, address)[1], address


@pytest.mark.parametrize("up", ["../{}", "../../../public/files/{}", "x/../../{}"])
@pytest.mark.parametrize("sharing", [True, False])
def test_the_folder_is_no_way_to_files_of_others(web, stranger, up, sharing):
    # Seen failing: the text of the address was enough for an own file of the folder. Any account wrote over others'.
    is_public = "public" in up
    victim = Client(web).with_token(tenants.email_of("user"))
    file = uploaded(victim, "victim", file_name=new_name("test-victim"), **(PUBLIC if is_public else PRIVATE))
    base = file["file_url"].rpartition("/")[2]
    if sharing:
        uploaded(stranger, file_name=base, **PRIVATE)
    address = f"/private/files/dartwing_core/{up.format(base)}"
    made(stranger, file_name="x.txt", file_url=address, content="EVIL", **PRIVATE)
    assert read(victim, file["file_url"]) == (200, b"victim")
    own = uploaded(stranger)
    changed(stranger, own["name"], file_url=address)
    call(stranger, "frappe.client.delete", doctype="File", name=own["name"])
    assert read(victim, file["file_url"]) == (200, b"victim")
    frappe.db.rollback()
    frappe.db.set_value("File", {"file_url": ["like", "%dartwing_core/%../%"]}, "file_url", "")  # else none is deleted
    frappe.db.commit()


def test_a_file_that_takes_a_freed_name_takes_no_bytes(admin, stranger, theirs):
    # Seen failing: who gave their own File the name of a deleted one could then name its address.
    path = files.on_disk(frappe._dict(theirs))
    frappe.db.rollback()
    frappe.db.delete("File", {"name": theirs["name"]})
    frappe.db.commit()
    own = uploaded(stranger)
    arguments = {"name": theirs["name"], "force": True, "validate_rename": False}
    call(stranger, "run_doc_method", dt="File", dn=own["name"], method="rename", args=json.dumps(arguments))
    for name in (own["name"], theirs["name"]):
        assert changed(stranger, name, file_url=theirs["file_url"]).status_code in (*REFUSED, 404)
    assert b"alpha" not in read(stranger, theirs["file_url"])[1]
    assert path.exists()


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["set_name", "in_import", "naming rule"])
def test_a_file_keeps_its_bytes_whatever_name_it_is_to_have(site, of_schedule, way):
    # Seen failing: the bytes belonged to another name, so nobody read them, and the clean-up deleted them.
    values = {"doctype": "File", "file_name": "named.txt", "content": b"named", **PRIVATE, **of_schedule}
    rule = {"doctype": "Document Naming Rule", "document_type": "File", "prefix": "TEST-FILE-", "prefix_digits": 5}
    made_rule = frappe.get_doc(rule).insert() if way == "naming rule" else None
    frappe.flags.in_import = way == "in_import"
    try:
        file = frappe.get_doc(values | ({"name": "named by import"} if way == "in_import" else {}))
        file.insert(set_name="Named By Code") if way == "set_name" else file.insert()
    finally:
        frappe.flags.in_import = False
        if made_rule:
            made_rule.delete()
    frappe.db.commit()
    assert frappe.get_doc("File", file.name).get_content() in ("named", b"named")
    frappe.get_doc("File", file.name).delete()
    frappe.db.commit()
    assert not files.on_disk(file).exists()


def test_a_refused_insert_deletes_nothing(admin, theirs):
    # Seen failing: the bytes were written over, and deleted by the rollback.
    for more in ({}, {"content": "EVIL"}):
        sent = {"name": theirs["name"], "file_url": theirs["file_url"], "file_name": "o.txt", **PRIVATE, **more}
        assert made(admin, **sent).status_code in REFUSED
        assert read(admin, theirs["file_url"]) == (200, b"of alpha")


# Unpacking ------------------------------------------------------------------------------------------------------------


def test_who_may_not_read_a_file_learns_no_name_from_its_unpacking(stranger, theirs):
    # Seen failing: "plan.txt is not a zip file".
    answer = call(stranger, "frappe.core.api.file.unzip_file", name=theirs["name"])
    assert answer.status_code in REFUSED
    assert "plan.txt" not in answer.text


# The clean-up ---------------------------------------------------------------------------------------------------------


def test_nobody_makes_a_folder_there(stranger):
    # Seen failing: a document that is sent along wrote into a folder of the folder, which stopped the clean-up.
    name = frappe.generate_hash()
    made(stranger, is_folder=1, is_home_folder=1, file_name=name)
    sent = {"doctype": "File", "name": name, "file_name": "x.png", "file_size": 5, "is_folder": 0, "owner": "x"}
    sent |= {"file_url": f"/private/files/dartwing_core/{name}-dir/x.png", "decode": 1, **PRIVATE}
    sent["content"] = base64.b64encode(b"\x89PNG").decode()
    call(stranger, "run_doc_method", docs=json.dumps(sent), method="optimize_file")
    assert [entry.name for entry in private_files.folder().iterdir() if entry.is_dir()] in ([], [private_files.NOTES])
    frappe.db.rollback()
    frappe.db.delete("File", {"name": name})
    frappe.db.commit()


def test_the_clean_up_deletes_what_it_can(site):
    # Seen failing: it ended at the first odd name.
    folder = private_files.folder()
    left = [folder / name for name in ("_ffffffffff_-x", "_d800_-x", f"{'a' * 32}.plan.txt", "\udcff.txt", "no-dot")]
    (folder / "a-folder").mkdir()
    (folder / "link").symlink_to(folder.parent / "nowhere")
    for path in left:
        path.write_bytes(b"left")
    long_ago = time.time() - private_files.ORPHANED_AFTER - 60
    try:
        retention.clear_old_jobs(30)
        assert [path.name for path in left if not path.exists()] == [], "the database may be an older one for a while"
        for note in (folder / private_files.NOTES).iterdir():
            os.utime(note, (long_ago, long_ago))
        retention.clear_old_jobs(30)
        assert [path.name for path in left if path.exists()] == []
        assert not (folder / "link").is_symlink()
    finally:
        (folder / "a-folder").rmdir()
