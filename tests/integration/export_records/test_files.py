"""The file of an export is for those who see the job, and is left only if the job completes."""

from __future__ import annotations

import io
import pickle
import re
import resource

import frappe
import pytest
from frappe.core.doctype.file.utils import find_file_by_url

from dartwing_core.handlers.export_records import export_records
from dartwing_core.jobs.attempt import callbacks, job_files
from dartwing_core.jobs.db import sql
from dartwing_core.jobs.store import private_files
from tests.support import database, factory, records
from tests.support.exports import Context, content_of, path_of, submitted
from tests.support.jobs import run
from tests.support.records import RECORD

pytestmark = pytest.mark.usefixtures("record_doctypes")

FULL_DISK = 4 * 1024 * 1024
"""Bytes that a file may have in the test of a full disk; more than the logs of the site."""


def test_a_completed_job_has_its_file_and_the_export_is_logged(alice):
    records.add(RECORD, {"name": "A"}, {"name": "B"})
    job = submitted(user=alice)
    status = run(job)
    assert status["status"] == "Completed", status
    file_name = status["result"]["file_name"]
    assert file_name == f"Test-Export-Record-{job.name}-1.csv"
    address = status["output_reference"]
    assert re.fullmatch(rf"/private/files/dartwing_core/{job.name}-1-[0-9a-f]{{32}}\.{file_name}", address), (
        "which nobody can guess"
    )
    assert status["result"] == {
        "output_reference": address,
        "rows": 2,
        "doctype": RECORD,
        "file_name": file_name,
    }
    assert records.export_files() == [file_name]
    fields = ["attached_to_doctype", "attached_to_name", "is_private", "file_size", "owner"]
    (file,) = frappe.get_all("File", {"file_url": status["output_reference"]}, fields)
    size = path_of(status["result"]).stat().st_size
    assert file == {
        "attached_to_doctype": "Background Job",
        "attached_to_name": job.name,
        "is_private": 1,
        "file_size": size,
        "owner": "Administrator",
    }
    assert frappe.get_all("Access Log", {"export_from": RECORD}, ["user", "file_type"]) == [
        {"user": alice, "file_type": "CSV"}
    ]


def test_the_file_is_for_those_who_may_see_the_job(alice, bob):
    colleague = factory.user("colleague", factory.ALPHA)
    admin = factory.user("alpha_admin", factory.ALPHA, roles=("Dartwing Admin",), org_role="Admin")
    records.add(RECORD, {"name": "A"})
    url = run(submitted(user=alice))["output_reference"]

    def may_download(user: str) -> bool:
        frappe.set_user(user)
        found = find_file_by_url(url)
        frappe.set_user("Administrator")
        return bool(found)

    assert may_download(alice)
    assert may_download(admin)
    assert not may_download(bob)
    assert not may_download(colleague)
    assert not may_download("Guest")
    frappe.db.set_value("Org Member", {"user": alice, "organization": factory.ALPHA}, "status", "Inactive")
    assert not may_download(alice), "who has left the organization"
    frappe.db.rollback()


def test_lists_of_files_show_those_of_visible_jobs_only(alice, bob):
    records.add(RECORD, {"name": "A"})
    file_name = run(submitted(user=alice))["result"]["file_name"]
    note = {"doctype": "File", "file_name": "test_note.txt", "content": "x", "is_private": 1}
    frappe.set_user(bob)
    other = frappe.get_doc(note).insert()

    def listed(user: str) -> list[str]:
        frappe.set_user(user)
        return frappe.get_list("File", {"file_name": ["in", [file_name, other.file_name]]}, pluck="file_name")

    assert listed(alice) == [file_name]
    assert listed(bob) == [other.file_name]
    frappe.db.rollback()


def test_the_handler_neither_commits_nor_touches_the_job_row(alice):
    records.add(RECORD, {"name": "A"})
    job = submitted(user=alice)
    frappe.db.rollback()
    frappe.set_user(alice)
    result = export_records(Context({"doctype": RECORD}, job_id=job.name))
    assert frappe.db.exists("File", {"file_url": result["output_reference"]})
    assert not database.value("SELECT name FROM tabFile WHERE file_url = %s", result["output_reference"])
    with database.another_connection() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE NOWAIT", (job.name,))
        assert cursor.fetchone()
    assert not frappe.db.exists("Comment", {"reference_name": job.name})


def test_a_rollback_takes_the_file_away():
    records.add(RECORD, {"name": "A"})
    frappe.db.commit()
    result = export_records(Context({"doctype": RECORD}))
    assert path_of(result).exists()
    frappe.db.rollback()
    assert not path_of(result).exists()
    assert not frappe.db.exists("File", {"file_url": result["output_reference"]})


def test_a_committed_file_outlives_an_error_after_the_commit(monkeypatch):
    # Seen failing: a time limit behind the server's COMMIT undid the transaction, and deleted the bytes of the File.
    commit = sql.commit

    def struck() -> None:
        commit()
        raise TimeoutError

    file = Context({}).attach("text", "Test-Export-Struck.txt")
    monkeypatch.setattr(sql, "commit", struck)
    with pytest.raises(TimeoutError):
        callbacks.commit()
    frappe.db.rollback()
    assert frappe.db.exists("File", file.name)
    assert path_of({"output_reference": file.file_url}).read_text() == "text"


def test_a_handlers_file_that_was_there_leaves_the_jobs_row_alone(alice):
    # Seen failing: the copy's address was written into the job, whose row an attempt must not lock.
    job = submitted(user=alice)
    values = {"doctype": "File", "file_name": "Test-Export-Stored.txt", "content": frappe.generate_hash()}
    stored = frappe.get_doc({**values, "is_private": 1}).insert()
    frappe.db.commit()
    about = {"attached_to_doctype": job.doctype, "attached_to_name": job.name}
    frappe.get_doc({"doctype": "File", "file_url": stored.file_url, "is_private": 1, **about}).insert()
    with database.another_connection() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE NOWAIT", (job.name,))
        assert cursor.fetchone()
    frappe.db.rollback()
    stored.delete()
    frappe.db.commit()


def test_an_attempt_that_was_overtaken_leaves_no_file(alice, monkeypatch):
    records.add(RECORD, {"name": "A"})
    job = submitted(user=alice)
    attach = job_files.attach

    def overtaken(*arguments):
        document = attach(*arguments)
        with database.another_connection() as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE `tabBackground Job` SET attempt = 2 WHERE name = %s", (job.name,))
        return document

    monkeypatch.setattr(job_files, "attach", overtaken)
    assert run(job)["status"] == "Running"
    assert records.export_files() == []
    assert not frappe.db.exists("File", {"attached_to_name": job.name})


def test_a_failure_to_insert_the_file_leaves_none(monkeypatch):
    def fail(*_arguments):
        raise ConnectionResetError("the database is gone, and the rollback callbacks with it")

    monkeypatch.setattr(private_files, "own_hash", fail)
    with pytest.raises(ConnectionResetError):
        export_records(Context({"doctype": RECORD}))
    assert records.export_files() == []


def test_a_full_disk_fails_the_attempt_and_leaves_no_part_of_the_file():
    # Seen failing: without the `unlink` in `private_files.write`. A limit on the size of files stands for the disk.
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    content = io.BytesIO(bytes(FULL_DISK + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_DISK, allowed[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Context({}).attach(content, "Test-Export-Record.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert records.export_files() == []
    assert not frappe.db.exists("File", {"attached_to_name": Context({}).job_id})


def test_an_attempt_removes_what_killed_ones_left():
    made = export_records(Context({"doctype": RECORD}, attempt=1))
    for start in ("JOB-TEST-1", "JOB-TEST-2", "JOB-TEST-3", "JOB-TEST-4", "JOB-OTHER-1"):
        address = private_files.address_for(private_files.new_id(f"{start}-"), f"Test-Export-Left-{start}.csv")
        private_files.path_of(address).write_text("part")
    result = export_records(Context({"doctype": RECORD}, attempt=3))
    left = [f"Test-Export-Left-{start}.csv" for start in ("JOB-OTHER-1", "JOB-TEST-3", "JOB-TEST-4")]
    assert records.export_files() == sorted([*left, made["file_name"], result["file_name"]])
    assert content_of(made) == content_of(result), "an earlier attempt may have committed its file (checkpoint)"
    assert content_of(result).startswith(b"\xef\xbb\xbfID,")


def test_an_attached_file_is_a_file_like_others():
    # Seen failing: the document could not be pickled, as frappe.enqueue and webhooks need it.
    file = Context({}).attach("text", "Test-Export-Pickled.txt")
    assert pickle.loads(pickle.dumps(file)).file_url == file.file_url
    assert file.get_content() == "text"
    frappe.db.rollback()


@pytest.mark.parametrize(
    ("name", "stored"), [("a/b.txt", "ab.txt"), ("", "file"), ("x" * 200 + ".txt", "x" * 136 + ".txt")]
)
def test_any_name_will_do_for_a_file(name, stored):
    assert Context({}).attach(b"x", name).file_name == stored
    frappe.db.rollback()


def test_no_file_is_written_over(monkeypatch):
    monkeypatch.setattr(private_files.secrets, "token_hex", lambda _size: "0" * 32)
    planted = private_files.folder() / f"JOB-TEST-1-{'0' * 32}.Test-Export-Record-JOB-TEST-1.csv"
    planted.write_text("planted")
    with pytest.raises(FileExistsError):
        export_records(Context({"doctype": RECORD}))
    assert planted.read_text() == "planted"


def test_equal_exports_of_two_jobs_are_two_files(alice):
    records.add(RECORD, {"name": "A"})
    urls = [run(submitted(user=alice, limit=limit))["output_reference"] for limit in (1, 2)]
    paths = [path_of({"output_reference": url}) for url in urls]
    assert paths[0] != paths[1]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    frappe.delete_doc("File", frappe.db.get_value("File", {"file_url": urls[0]}))
    frappe.db.commit()
    assert not paths[0].exists()
    assert paths[1].exists()
