"""Private files of organizations and schedules reach nobody who may not see these, and share no bytes with others."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.jobs.access import result_files
from dartwing_core.patches import files_are_kept_apart
from tests.support import factory, tenants
from tests.support.files import delete_files
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
    assert NAME not in file.file_url
    assert file.content_hash.startswith(result_files.MARK)


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


def test_the_patch_that_breaks_off_loses_no_file(file, monkeypatch):
    # Seen failing: the row led to the old address again, whose bytes were gone.
    older = [attached(f"older {number}".encode(), file_name=f"test-older-{number}.txt") for number in (1, 2)]
    of_alpha = {"attached_to_doctype": "Organization", "attached_to_name": factory.ALPHA}
    for one in older:
        frappe.db.set_value("File", one.name, of_alpha)
    frappe.db.commit()
    write, calls = result_files.write, []

    def full(content, path):
        calls.append(path)
        if len(calls) == 2:
            raise OSError("no space left")
        write(content, path)

    monkeypatch.setattr(result_files, "write", full)
    with pytest.raises(OSError, match="no space"):
        files_are_kept_apart.execute()
    frappe.db.rollback()
    assert all(frappe.get_doc("File", one.name).exists_on_disk() for one in older)
    assert not calls[0].exists(), "the copy of what was rolled back is gone"
    monkeypatch.undo()
    files_are_kept_apart.execute()
    frappe.db.commit()
    assert all(frappe.get_doc("File", one.name).exists_on_disk() for one in older)


def test_comments_show_the_picture_at_its_new_address(file):
    picture = attached(b"picture", file_name="test-picture.png")
    old = picture.file_url
    frappe.db.set_value(
        "File", picture.name, {"attached_to_doctype": "Organization", "attached_to_name": factory.ALPHA}
    )
    # Seen failing: an address that begins with this one was changed, and a quoted one stayed.
    shown = f'<img src="{{0}}?fid=1"> {old}.bak'
    comment = frappe.get_doc("Organization", factory.ALPHA).add_comment("Comment", shown.format(old))
    files_are_kept_apart.execute()
    frappe.db.commit()
    new = frappe.db.get_value("File", picture.name, "file_url")
    assert new != old
    assert frappe.db.get_value("Comment", comment.name, "content") == shown.format(new)
    comment.delete()


def test_the_patch_keeps_apart_what_was_attached_before(file):
    shared = attached(attached_to_doctype="Note", attached_to_name="any")
    older = attached(b"older", file_name="test-older.txt")
    for name, address in ((file.name, shared.file_url), (older.name, older.file_url)):
        of_alpha = {"attached_to_doctype": "Organization", "attached_to_name": factory.ALPHA, "file_url": address}
        frappe.db.set_value("File", name, of_alpha | {"content_hash": "plain"})
    files_are_kept_apart.execute()
    frappe.db.commit()
    for name, content in ((file.name, SECRET), (older.name, b"older")):
        now = frappe.get_doc("File", name)
        assert now.content_hash.startswith(result_files.MARK)
        found = now.get_content()
        assert (found.encode() if isinstance(found, str) else found) == content
    assert frappe.get_doc("File", shared.name).exists_on_disk()
    assert not older.exists_on_disk(), "no bytes are left where others may guess them"


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
    files_are_kept_apart.execute()
    frappe.db.commit()
    frappe.delete_doc("File", of_job.name, force=True)
    frappe.db.commit()
    assert frappe.get_doc("File", shared.name).get_content() == "shared"
