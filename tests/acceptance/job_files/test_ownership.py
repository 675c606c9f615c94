"""A job's file is its owner's, goes with the job alone, and is kept apart from others of equal content."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.wall import file_moves
from tests.support.files import (
    JOB,
    REFUSED,
    SECRET,
    assert_untold,
    inserted,
    leading,
    new_files,
    on_disk,
    stored,
    unzipped,
)
from tests.support.http import Client, call
from tests.support.listener import listening
from tests.support.records import files_folder


@pytest.mark.parametrize("make", [stored, inserted])
def test_nobody_hears_that_a_job_has_made_a_file(job, make):
    # Seen failing: Frappe tells it, with the owner, to all who have the list of Files open.
    with listening() as heard:
        made = make(job, SECRET.encode(), "Salaries.csv")
        frappe.db.commit()
        frappe.delete_doc("File", made.name, force=True)
        frappe.get_doc({"doctype": "File", "file_name": "test.txt", "content": "x"}).insert()
        frappe.db.commit()
    files = [message for _event, _room, message in heard.messages if message.get("doctype") == "File"]
    assert files, "of others they hear as before"
    assert made.name not in {message["name"] for message in files}


def test_a_file_is_neither_attached_to_a_job_nor_taken_for_its_by_the_hash(web, alice, file, job):
    # Seen failing: Frappe moves all Files of a hash when one of them is published.
    client = Client(web).with_token(alice)
    client.http.post(
        f"{web}/api/method/upload_file", files={"file": ("own.txt", b"own")}, data={"is_private": 1}, timeout=60
    )
    (own,) = new_files(alice)
    path = f"{web}/api/resource/File/{own.name}"
    for body in (
        {"attached_to_doctype": JOB, "attached_to_name": job.name},
        {"content_hash": frappe.db.get_value("File", file.name, "content_hash"), "is_private": 0},
    ):
        assert client.http.put(path, json=body, timeout=60).status_code == 403, body
    frappe.db.rollback()
    assert frappe.db.get_value("File", file.name, ["file_url", "is_private"]) == (file.file_url, 1)
    assert client.http.get(web + file.file_url).content == SECRET.encode(), "to its owner"


def test_a_jobs_file_is_taken_from_it_by_nobody(web, alice, bob, job, file):
    # Seen failing: Frappe asks whether one may write what the File will be attached to; then its bytes are no job's.
    for user in (bob, alice):
        client = Client(web).with_token(user)
        client.http.post(f"{web}/api/method/upload_file", files={"file": ("own.txt", b"own")}, data={"is_private": 1})
        (own,) = new_files(user)
        attached = {"attached_to_doctype": "User", "attached_to_name": user}
        for body in (attached, {**attached, "file_url": own.file_url}, {"attached_to_doctype": "", "file_url": ""}):
            for answer in (
                client.http.put(f"{web}/api/resource/File/{file.name}", json=body, timeout=60),
                call(client, "frappe.client.set_value", doctype="File", name=file.name, fieldname=body),
            ):
                assert answer.status_code in REFUSED, answer.text
        frappe.db.rollback()
        kept = frappe.db.get_value("File", file.name, ["attached_to_doctype", "attached_to_name", "file_url"])
        assert kept == (JOB, job.name, file.file_url)


def test_an_older_file_of_a_job_is_kept_as_well(bob_client, bob, job, file):
    # Its name is one that anybody guesses, its hash that of its content.
    path = files_folder() / "test_salaries.csv"
    on_disk(file).rename(path)
    values = {"file_url": "/private/files/test_salaries.csv", "content_hash": frappe.generate_hash()}
    frappe.db.set_value("File", file.name, values)
    frappe.db.commit()
    file_moves.move_all()
    assert not path.exists()
    now = frappe.get_doc("File", file.name)
    for row in leading(now).values():
        bob_client.http.post(f"{bob_client.url}/api/resource/File", json={"is_private": 1, **row})
        assert_untold(bob_client, now, bob)


def test_the_owner_of_a_job_has_its_file_and_deletes_nothing(web, alice, file):
    client = Client(web).with_token(alice)
    assert client.http.get(web + file.file_url).content == SECRET.encode()
    answer = client.http.get(f"{web}/api/method/download_file", params={"file_url": file.file_url}, timeout=60)
    assert answer.content == SECRET.encode()
    packed = call(client, "frappe.core.doctype.file.file.zip_files", files=json.dumps([file.name]))
    assert unzipped(packed.content) == SECRET.encode()
    assert client.http.delete(f"{web}/api/resource/File/{file.name}").status_code in REFUSED
    assert on_disk(file).exists()


def test_a_file_goes_with_its_job(file, job):
    path = on_disk(file)
    frappe.delete_doc(JOB, job.name)
    frappe.db.commit()
    assert not path.exists()


def test_equal_content_is_kept_apart(bob_client, bob, job):
    # Frappe stores equal content once: whoever uploads what a job will find has its file.
    upload = f"{bob_client.url}/api/method/upload_file"
    sent = {"files": {"file": ("guess.csv", SECRET.encode())}, "data": {"is_private": 1}, "timeout": 60}
    assert bob_client.http.post(upload, **sent).status_code == 200
    made = inserted(job, SECRET.encode(), "Salaries.csv")
    frappe.db.commit()
    (own,) = new_files(bob)
    assert own.file_url != made.file_url
    assert bob_client.http.post(upload, **sent).status_code == 200
    answer = bob_client.http.put(f"{bob_client.url}/api/resource/File/{own.name}", json={"is_private": 0}, timeout=60)
    assert answer.status_code == 200, answer.text
    for one in new_files(bob):
        assert bob_client.http.delete(f"{bob_client.url}/api/resource/File/{one.name}").status_code in (200, 202)
    assert on_disk(made).read_bytes() == SECRET.encode()
    assert frappe.db.get_value("File", made.name, "is_private") == 1


def test_a_handlers_file_that_is_rolled_back_leaves_nothing(job):
    made = inserted(job, SECRET.encode(), "Salaries.csv")
    assert on_disk(made).exists()
    frappe.db.rollback()
    assert not on_disk(made).exists()
    assert list(files_folder().glob("Salaries*")) == []  # nor under the name that the handler gave


def test_other_files_are_as_frappe_has_them(bob_client, bob):
    # Two of the same content share their bytes until the last one goes.
    upload, sent = f"{bob_client.url}/api/method/upload_file", {"data": {"is_private": 1}, "timeout": 60}
    for name in ("test_a.txt", "test_b.txt"):
        answer = bob_client.http.post(upload, files={"file": (name, b"shared by two")}, **sent)
        assert answer.status_code == 200, answer.text
    first, second = new_files(bob)
    assert first.file_url == second.file_url
    for one in (first, second):
        assert bob_client.http.get(bob_client.url + first.file_url).content == b"shared by two"
        assert bob_client.http.delete(f"{bob_client.url}/api/resource/File/{one.name}").status_code in (200, 202)
    assert not on_disk(first).exists()
    assert frappe.get_cached_doc("File", {"is_home_folder": 1}).is_folder, "is pickled"
