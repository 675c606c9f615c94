"""Private files of organizations and schedules reach nobody who may not see these, and share no bytes with others."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs.recovery import retention
from dartwing_core.jobs.store import private_files
from dartwing_core.wall import file_moves
from tests.support import factory, tenants
from tests.support.files import delete_files, on_disk
from tests.support.http import Client
from tests.support.uploads import read

pytestmark = pytest.mark.usefixtures("fresh_limits")

SECRET = b"contract of alpha"
NAME = "test-contract.txt"


def attached(content: bytes = SECRET, **values):
    given = {"doctype": "File", "file_name": NAME, "content": content, "is_private": 1, **values}
    return frappe.get_doc(given).insert(ignore_permissions=True)


@pytest.fixture
def file(site) -> Iterator:
    """A file of Test Alpha. What the tests make beside it is removed too."""
    before = set(frappe.get_all("File", pluck="name"))
    made = attached(attached_to_doctype="Organization", attached_to_name=factory.ALPHA)
    frappe.db.commit()
    yield made
    frappe.db.rollback()
    delete_files(before)


def test_a_file_row_of_ones_own_leads_to_no_file_of_an_organization(web, file):
    # Seen failing: any account read it, and published it, by an address that it guessed.
    stranger = Client(web).with_token(factory.user("wants_files", roles=()))
    values = {"file_url": file.file_url, "is_private": 1}
    answer = stranger.http.post(f"{web}/api/resource/File", json=values, timeout=60)
    assert answer.status_code in (403, 404, 417), answer.text
    assert SECRET not in read(stranger, file.file_url)[1]
    member = Client(web).with_token(factory.user("reads_files", factory.ALPHA))
    assert read(member, file.file_url) == (200, SECRET)


def test_its_name_can_not_be_guessed(file):
    assert re.fullmatch(rf"/private/files/dartwing_core/[0-9a-f]{{32}}\.{NAME}", file.file_url)
    assert file.file_name == NAME


def test_equal_content_of_somebody_else_is_another_file(file):
    # Frappe takes Files with equal hashes for one file. A picture that an organization has could not be uploaded.
    other = attached(attached_to_doctype="Note", attached_to_name="any")
    assert other.file_url != file.file_url
    other.delete()
    assert file.exists_on_disk()


def test_who_has_left_the_organization_does_not_read_what_they_have_attached(web, file):
    member = factory.user("left_files", factory.ALPHA)
    file.db_set("owner", member)
    frappe.db.commit()
    client = Client(web).with_token(member)
    assert read(client, file.file_url)[0] == 200
    frappe.db.set_value("Org Member", {"user": member, "organization": factory.ALPHA}, "status", "Inactive")
    frappe.db.commit()
    frappe.clear_cache(user=member)
    assert SECRET not in read(client, file.file_url)[1]


def older(content: bytes, name: str, doctype: str = "Organization", document: str = factory.ALPHA):
    """A File as an earlier release stored it: beside others, and attached afterwards."""
    made = attached(content, file_name=name)
    frappe.db.set_value("File", made.name, {"attached_to_doctype": doctype, "attached_to_name": document})
    frappe.db.commit()
    return made


def content_of(name: str) -> bytes:
    found = frappe.get_doc("File", name).get_content()
    return found.encode() if isinstance(found, str) else found


def test_a_migration_goes_on_after_a_file_that_can_not_be_moved(file, monkeypatch):
    # Seen failing: the row led to the old address again, whose bytes were gone. Later, one bad row stopped all moves.
    both = [older(f"older {number}".encode(), f"test-older-{number}.txt") for number in (1, 2)]
    write, calls = private_files.write, []

    def full(content, path):
        calls.append(path)
        write(content, path)
        if len(calls) == 1:
            raise OSError("no space left")  # and a kill would leave what was written

    monkeypatch.setattr(private_files, "write", full)
    file_moves.move_all()
    assert len(calls) == 2
    assert sorted(content_of(one.name) for one in both) == [b"older 1", b"older 2"]
    monkeypatch.undo()
    file_moves.move_all()
    assert all(private_files.is_kept(frappe.db.get_value("File", one.name, "file_url")) for one in both)
    assert sorted(content_of(one.name) for one in both) == [b"older 1", b"older 2"]


def test_a_migration_moves_files_alone(file):
    # Seen failing: it moved the site's configuration, and ended at the first row that Frappe would refuse to save.
    configuration = Path(frappe.get_site_path("site_config.json"))
    before = configuration.read_bytes() if configuration.exists() else b""
    long_name = older(b"long", "test-long.txt")
    longest = f"{frappe.generate_hash(length=10)}{'-' * 130}"
    frappe.rename_doc("File", long_name.name, longest, force=True)
    odd = [
        {"file_url": "/private/files/../../site_config.json"},
        {"file_url": "/private/files/test-no-name.txt", "file_name": None},
        {"file_url": f"/private/files/{'x' * 600}"},
        {"file_url": f"/private/files/{'x/' * 1_500}"},
        {"file_url": f"/private/files/./dartwing_core/{on_disk(file).name}"},
    ]
    rows = [older(b"odd", f"test-odd-{number}.txt").name for number in range(len(odd))]
    for name, values in zip(rows, odd, strict=True):
        frappe.db.set_value("File", name, values)
    good = older(b"good", "test-good.txt")
    frappe.db.commit()
    file_moves.move_all()
    assert content_of(good.name) == b"good"
    assert private_files.is_kept(frappe.db.get_value("File", good.name, "file_url"))
    assert content_of(longest) == b"long"
    assert content_of(file.name) == SECRET
    assert (configuration.read_bytes() if configuration.exists() else b"") == before
    frappe.db.delete("File", {"name": ["in", rows]})
    frappe.db.commit()


def test_a_move_takes_the_bytes_of_nobody_who_shares_them(file):
    # Seen failing: a backslash in the name was read as an escape, so nobody seemed to share them.
    theirs, ours = (attached(b"shared", file_name="test-shared.txt") for _ in range(2))
    assert ours.file_url == theirs.file_url
    address = "/private/files/test-q\\_r.txt"
    on_disk(theirs).rename(on_disk(theirs).with_name(address.rpartition("/")[2]))
    for one in (theirs, ours):
        one.db_set("file_url", address)
    ours.update({"attached_to_doctype": "Organization", "attached_to_name": factory.ALPHA})
    ours.save()
    frappe.db.commit()
    assert content_of(theirs.name) == content_of(ours.name) == b"shared"


def test_comments_show_the_picture_at_its_new_address(file):
    picture = older(b"picture", "test-picture.png")
    old = picture.file_url
    # Seen failing: an address that begins with this one was changed, and a quoted one stayed.
    shown = f'<img src="{{0}}?fid=1"> {old}.bak'
    comment = frappe.get_doc("Organization", factory.ALPHA).add_comment("Comment", shown.format(old))
    file_moves.move_all()
    new = frappe.db.get_value("File", picture.name, "file_url")
    assert new != old
    assert frappe.db.get_value("Comment", comment.name, "content") == shown.format(new)
    comment.delete()


def test_a_migration_keeps_apart_what_was_attached_before(file):
    shared = attached(b"shared", file_name="test-shared.txt", attached_to_doctype="Note", attached_to_name="any")
    sharing, alone = older(b"shared", "test-shared.txt"), older(b"alone", "test-alone.txt")
    assert sharing.file_url == shared.file_url
    file_moves.move_all()
    for name, content in ((sharing.name, b"shared"), (alone.name, b"alone"), (shared.name, b"shared")):
        assert content_of(name) == content
    assert private_files.is_kept(frappe.db.get_value("File", sharing.name, "file_url"))
    assert not on_disk(alone).exists(), "no bytes are left where others may guess them"
    before = frappe.get_all("File", fields=["name", "file_url"])
    file_moves.move_all()
    assert frappe.get_all("File", fields=["name", "file_url"]) == before, "nothing is left to move"


def test_the_result_of_a_job_leads_to_the_moved_file(file):
    job = tenants.targets("user")["alpha"].name
    of_job = older(b"exported", "test-exported.csv", "Background Job", job)
    before = frappe.db.get_value("Background Job", job, ["output_reference", "result"], as_dict=True)
    result = json.dumps({"output_reference": of_job.file_url, "file": "x"})
    values = {"output_reference": of_job.file_url, "result": result}
    frappe.db.set_value("Background Job", job, values, update_modified=False)
    frappe.db.commit()
    file_moves.move_all()
    now = frappe.db.get_value("Background Job", job, ["output_reference", "result"], as_dict=True)
    address = frappe.db.get_value("File", of_job.name, "file_url")
    assert private_files.is_kept(address)
    assert now.output_reference == address
    assert json.loads(now.result) == {"output_reference": address, "file": "x"}
    frappe.db.set_value("Background Job", job, before, update_modified=False)
    frappe.db.commit()


def test_a_move_leaves_no_bytes_for_a_name_that_only_ends_alike(web, file):
    # Seen failing: another file whose name ended alike kept them, where nothing guarded them any more.
    ours = older(b"secret", "test-alike.txt")
    attached(b"harmless", file_name="my-test-alike.txt")
    frappe.db.commit()
    file_moves.move_all()
    assert not on_disk(ours).exists()
    assert content_of(ours.name) == b"secret"


def test_a_field_that_code_fills_in_shows_the_copy(file):
    # Seen failing: each save copied the file once more, and the field showed one that members could not open.
    loose = attached(b"loose", file_name="test-loose-field.txt")
    values = {"dt": "Organization", "fieldname": "test_scan", "fieldtype": "Attach", "label": "Test Scan"}
    field = frappe.get_doc({"doctype": "Custom Field", **values}).insert()
    organization = frappe.get_doc("Organization", factory.ALPHA)
    organization.update({"test_scan": loose.file_url}).save()
    frappe.db.set_value("File", loose.name, {"attached_to_doctype": "Note", "attached_to_name": "x"})
    frappe.db.commit()
    try:
        for _save in range(2):
            organization = frappe.get_doc("Organization", factory.ALPHA)
            organization.save()
            frappe.db.commit()
        shown = frappe.get_doc("Organization", factory.ALPHA).test_scan
        copies = {"attached_to_field": "test_scan", "attached_to_name": factory.ALPHA}
        assert frappe.get_all("File", copies, pluck="file_url") in ([shown], [])
    finally:
        frappe.db.set_value("Organization", factory.ALPHA, "test_scan", None)
        field.delete()
        frappe.db.commit()
        frappe.clear_cache(doctype="Organization")


def test_code_of_the_site_attaches_a_file_afterwards(web, file):
    # Seen failing: its bytes stayed beside others, under a name that one guesses.
    loose = attached(b"loose", file_name="test-loose.txt")
    public = attached(b"public", file_name="test-public.txt", is_private=0)
    for made in (loose, public):
        made.update({"attached_to_doctype": "Organization", "attached_to_name": factory.ALPHA, "is_private": 1})
        made.save()
        frappe.db.commit()
        now = frappe.get_doc("File", made.name)
        assert private_files.is_kept(now.file_url)
    assert [content_of(one.name) for one in (loose, public)] == [b"loose", b"public"]


# Deleting ------------------------------------------------------------------------------------------------------------


def test_the_bytes_go_when_the_deletion_is_committed(file):
    # Seen failing: they went at once, and a transaction that broke off later left a File without bytes.
    file.delete()
    assert on_disk(file).exists()
    frappe.db.rollback()
    assert content_of(file.name) == SECRET
    frappe.db.savepoint("kept")
    frappe.get_doc("File", file.name).delete()
    frappe.db.rollback(save_point="kept")
    frappe.db.commit()
    assert content_of(file.name) == SECRET
    frappe.get_doc("File", file.name).delete()
    frappe.db.commit()
    assert not on_disk(file).exists()


def test_files_without_their_document_go_after_a_month(file):
    # An upload beside the deletion of its schedule leaves such a File.
    gone = {"attached_to_doctype": "Organization", "attached_to_name": "ORG-GONE"}
    lost, young = (attached(name.encode(), file_name=f"test-{name}.txt", **gone) for name in ("lost", "young"))
    lost.db_set("modified", "2020-01-01 00:00:00", update_modified=False)
    frappe.db.commit()
    retention.clear_old_jobs(30)
    assert [frappe.db.exists("File", one.name) for one in (lost, young, file)] == [None, young.name, file.name]
    assert not on_disk(lost).exists()


def test_bytes_that_can_not_be_deleted_stop_no_clean_up(file):
    # Seen failing: the others stayed as well, each day. Frappe takes such an address for an attack.
    gone = {"attached_to_doctype": "Organization", "attached_to_name": "ORG-GONE", "modified": "2001-01-01"}
    lost = [attached(f"lost {number}".encode(), file_name=f"test-lost-{number}.txt") for number in range(3)]
    for one in lost:
        frappe.db.set_value("File", one.name, gone, update_modified=False)
    frappe.db.set_value("File", lost[0].name, "thumbnail_url", "/files/x/../y", update_modified=False)
    frappe.db.commit()
    retention.clear_old_jobs(30)
    assert [one.name for one in lost if frappe.db.exists("File", one.name)] == []
    assert not any(on_disk(one).exists() for one in lost[1:])


def test_a_file_that_goes_during_the_clean_up_stops_it_not(file, monkeypatch):
    # Seen failing: with an error that ended the clean-up of all logs.
    passing = private_files.folder() / "passing.txt"
    passing.write_bytes(b"x")
    get_all = frappe.get_all

    def vanishing(doctype, *arguments, **named):
        if doctype == "File":
            passing.unlink(missing_ok=True)
        return get_all(doctype, *arguments, **named)

    monkeypatch.setattr(frappe, "get_all", vanishing)
    notes = private_files.folder() / private_files.NOTES
    notes.mkdir(exist_ok=True)
    (notes / passing.name).touch()
    os.utime(notes / passing.name, (0, 0))
    retention.clear_old_jobs(30)
    assert not passing.exists()


def test_bytes_without_a_file_go_after_a_month(file, monkeypatch):
    # A process that is killed between the commit and the deletion leaves them.
    left = private_files.path_of(private_files.address_for(private_files.new_id(), NAME))
    left.write_bytes(SECRET)
    note = private_files.folder() / private_files.NOTES / left.name
    retention.clear_old_jobs(30)
    assert (left.exists(), note.exists()) == (True, True)
    month_ago = time.time() - private_files.ORPHANED_AFTER - 60
    os.utime(note, (month_ago, month_ago))
    found = frappe.get_doc({"doctype": "File", "file_name": NAME, "content": b"x", "is_private": 1}).insert()
    frappe.db.set_value("File", found.name, "file_url", private_files.FOLDER + left.name)
    frappe.db.commit()
    retention.clear_old_jobs(30)
    assert (left.exists(), note.exists()) == (True, False), "its File has come back, with a newer database"
    frappe.db.delete("File", {"name": found.name})
    frappe.db.commit()
    retention.clear_old_jobs(30)
    os.utime(note, (month_ago, month_ago))
    retention.clear_old_jobs(30)
    assert not left.exists()
    retention.clear_old_jobs(30)
    assert not note.exists()
    assert content_of(file.name) == SECRET


@pytest.mark.parametrize("kind", ["Note", "Background Job"])
def test_a_job_whose_bytes_others_share_takes_them_from_nobody(file, kind):
    # Seen failing: the bytes of all went with the first File of a job, as each had got a hash of its own.
    shared = attached(b"shared", file_name="test-shared.txt", attached_to_doctype="Note", attached_to_name="any")
    of_job = attached(b"shared", file_name="test-shared.txt")
    job = {"attached_to_doctype": "Background Job", "attached_to_name": tenants.targets("user")["alpha"].name}
    assert of_job.file_url == shared.file_url
    frappe.db.set_value("File", of_job.name, job)
    if kind == "Background Job":
        frappe.db.set_value("File", shared.name, job)
    file_moves.move_all()
    frappe.delete_doc("File", of_job.name, force=True)
    frappe.db.commit()
    assert frappe.get_doc("File", shared.name).get_content() == "shared"
