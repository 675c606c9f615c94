"""No File of somebody else leads to a job's file."""

from __future__ import annotations

import io
import json

import frappe
import pytest
from PIL import Image

from tests.support.files import (
    HARMLESS,
    REFUSED,
    assert_untold,
    inserted,
    leading,
    new_files,
    on_disk,
    stored,
    unzipped,
)
from tests.support.http import Client, call
from tests.support.records import files_folder


def png(color: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (40, 40), color).save(content, "png", compress_level=0)  # so that there is something to optimize
    return content.getvalue()


def test_no_file_leads_to_a_jobs(bob_client, bob, file):
    host = {"X-Frappe-Site-Name": bob_client.http.headers["Host"], "Host": "other.example.com"}
    let_be = []
    for way, row in leading(file).items():
        answer = bob_client.http.post(f"{bob_client.url}/api/resource/File", json={"is_private": 1, **row}, timeout=60)
        if answer.status_code not in REFUSED:
            let_be.append((way, answer.text))
        for own in new_files(bob):  # seen failing: read, and deleted with the row
            path = f"{bob_client.url}/api/method/frappe.core.doctype.file.file.zip_files"
            packed = bob_client.http.post(path, json={"files": json.dumps([own.name])}, headers=host, timeout=60)
            assert b"anna" not in unzipped(packed.content), way
            bob_client.http.delete(f"{bob_client.url}/api/resource/File/{own.name}", timeout=60)
        assert_untold(bob_client, file, bob)
    assert [one for one in let_be if one[0] not in HARMLESS] == []


def test_no_file_is_changed_to_lead_to_a_jobs(bob_client, bob, file):
    own = frappe.get_doc({"doctype": "File", "file_name": "test_own.txt", "content": "own", "is_private": 1})
    own.insert(ignore_permissions=True)
    own.db_set("owner", bob)
    frappe.db.commit()
    path = f"{bob_client.url}/api/resource/File/{own.name}"
    for way, row in leading(file).items():
        answer = bob_client.http.put(path, json={"file_url": "", **row}, timeout=60)
        assert answer.status_code in REFUSED or way in HARMLESS, (way, answer.text)
        assert_untold(bob_client, file, bob)
    assert bob_client.http.delete(path).status_code in (200, 202)
    assert_untold(bob_client, file, bob)


@pytest.mark.parametrize("field", ["file_url", "file_name", "library_file_name"])
def test_an_upload_is_no_way_to_a_jobs_file(bob_client, bob, file, field):
    value = {"file_url": file.file_url, "file_name": on_disk(file).name, "library_file_name": file.name}[field]
    answer = bob_client.http.post(
        f"{bob_client.url}/api/method/upload_file", data={field: value, "is_private": 1}, timeout=60
    )
    assert_untold(bob_client, file, bob)
    assert answer.status_code in REFUSED or field == "file_name", answer.text


def test_a_file_of_the_same_name_is_another_one(bob_client, bob, file):
    # Seen failing: Frappe looks for the File of a path without regard to case, and hands out what lies at the path.
    name = on_disk(file).name
    for other in (name, name.upper(), name.lower()):
        bob_client.http.post(
            f"{bob_client.url}/api/method/upload_file",
            files={"file": (other, b"planted")},
            data={"is_private": 1},
            timeout=60,
        )
    assert len(new_files(bob)) == 3
    assert bob_client.http.get(bob_client.url + file.file_url).status_code == 403
    assert_untold(bob_client, file, bob)


def test_the_picture_of_a_user_is_no_copy_of_a_jobs_file(bob_client, bob, file):
    # Seen failing: Frappe inserts a File for what an Attach field holds, without permissions, and copies the bytes.
    for url in (file.file_url, f"/private/files/./{on_disk(file).name}"):
        body = {"user_image": url}
        bob_client.http.put(f"{bob_client.url}/api/resource/User/{bob}", json=body, timeout=60)
        assert_untold(bob_client, file, bob)
    frappe.db.commit()  # the web process notes in the account when it was last used: later than this snapshot
    frappe.db.set_value("User", bob, "user_image", None)
    frappe.db.commit()


def test_a_job_that_is_planned_for_is_no_way_either(web, bob, file, job):
    # In a worker, without a request: Frappe updates many documents in the background.
    from frappe.desk.doctype.bulk_update.bulk_update import _bulk_action

    names = []
    for number in range(2):
        own = frappe.get_doc({"doctype": "File", "file_name": f"test_{number}.txt", "content": f"{number}"})
        names.append(own.insert(ignore_permissions=True).name)
        own.db_set("owner", bob)
    frappe.db.commit()
    frappe.set_user(bob)
    failed = _bulk_action("File", names, "update", json.dumps({"file_url": file.file_url, "is_private": 1}))
    frappe.set_user("Administrator")
    assert failed == names
    assert_untold(Client(web).with_token(bob), file, bob)


@pytest.mark.parametrize("make", [stored, inserted])
def test_a_document_that_is_sent_along_reads_and_writes_no_file_of_a_job(bob_client, bob, job, make):
    # `run_doc_method` takes the document from the request: its address may be anybody's, and its name another's.
    file = make(job, png("red"), "Chart.png")
    frappe.db.commit()
    bob_client.http.post(
        f"{bob_client.url}/api/method/upload_file", files={"file": ("a.png", png("blue"))}, data={"is_private": 1}
    )
    (own,) = new_files(bob)
    whole = frappe.get_doc("File", own.name).as_dict(convert_dates_to_str=True)
    name = on_disk(file).name
    jobs_own = {"name": file.name, "modified": str(file.modified)} | dict.fromkeys(
        ("attached_to_doctype", "attached_to_name")
    )
    for change in ({"file_url": file.file_url}, {"file_url": file.file_url, **jobs_own}, {"file_name": name}):
        docs = json.dumps({**whole, **change})
        answer = call(bob_client, "run_doc_method", method="optimize_file", docs=docs)
        is_of_bob = change == {"file_name": name}  # bob's own picture is optimized where it lies
        assert answer.status_code in REFUSED or is_of_bob, answer.text
        assert on_disk(file).read_bytes() == png("red")
        assert is_of_bob or (files_folder() / own.file_url.rpartition("/")[2]).read_bytes() == png("blue")


def test_a_row_that_leads_there_already_reads_and_deletes_nothing(bob_client, bob, file):
    # As an older version, or SQL, has let one be.
    name = on_disk(file).name
    columns = [
        {"file_url": file.file_url},
        {"file_url": None, "file_name": name},
        {"file_url": f"https://127.0.0.1{file.file_url}"},
        {"file_url": f"http://{bob_client.http.headers['Host']}{file.file_url}"},
        {"file_url": "https://x.example.com/a", "thumbnail_url": f"https://x.example.com/?y=/{name}"},
    ]
    for values in columns:
        row = frappe.get_doc({"doctype": "File", "file_name": "x.csv", "is_private": 1, **values})
        row.name, row.content_hash = frappe.generate_hash(), frappe.generate_hash()
        row.db_insert()
        row.db_set("owner", bob)
        frappe.db.commit()
        assert_untold(bob_client, file, bob)
        bob_client.http.delete(f"{bob_client.url}/api/resource/File/{row.name}", timeout=60)
        assert_untold(bob_client, file, bob)
        frappe.delete_doc("File", row.name, force=True, ignore_permissions=True)
        frappe.db.commit()
        assert_untold(bob_client, file, bob)
