"""What a job's file holds reaches nobody but who may see the job, by none of Frappe's ways to a file, over HTTP.

Each way is tried by somebody who knows the file's name, as a former member does. Two kinds of files: one that the app's
own handlers stored, and one that a handler inserted as a File of Frappe's.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import frappe
import pytest
from PIL import Image

from dartwing_core.handlers import job_files
from dartwing_core.jobs import JobContext
from tests.support import factory
from tests.support.http import Client, call
from tests.support.jobs import run, submitted_by
from tests.support.listener import listening
from tests.support.records import files_folder

JOB = "Background Job"
SECRET = "name,salary\r\nanna,9000"
REFUSED = (403, 404, 417)


def png(color: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (40, 40), color).save(content, "png", compress_level=0)  # so that there is something to optimize
    return content.getvalue()


def stored(job, content: bytes, name: str):
    """As `export_records` stores it."""
    context = JobContext(
        job_id=job.name,
        job_type=job.job_type,
        organization=factory.ALPHA,
        parameters={},
        timeout_seconds=300,
        attempt=1,
        owner_user=job.owner_user,
    )
    return job_files.attach(context, io.BytesIO(content), *name.rsplit(".", 1))


def inserted(job, content: bytes, name: str):
    """As a handler inserts it."""
    values = {"file_name": name, "content": content, "is_private": 1}
    attached = {"attached_to_doctype": JOB, "attached_to_name": job.name}
    return frappe.get_doc({"doctype": "File", **values, **attached}).insert(ignore_permissions=True)


@pytest.fixture
def job(alice):
    """A finished job of Alice's in Alpha."""
    made = submitted_by(alice, factory.job_type("note", "add_note"), title="test of files")
    assert run(made)["status"] == "Completed"
    before = set(frappe.get_all("File", filters={"owner": ["not like", "test_%"]}, pluck="name"))
    delete_files(before)  # those of a run that was broken off
    yield made
    frappe.db.rollback()
    frappe.set_user("Administrator")
    delete_files(before)


def delete_files(but_for: set[str]) -> None:
    for name in set(frappe.get_all("File", pluck="name")) - but_for:
        frappe.delete_doc("File", name, force=True, delete_permanently=True)
    frappe.db.commit()


@pytest.fixture(params=[stored, inserted])
def file(request, job):
    """The job's file, with the secret in it."""
    made = request.param(job, SECRET.encode(), "Salaries.csv")
    frappe.db.commit()
    return made


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


@pytest.fixture
def bob_client(web, bob) -> Client:
    return Client(web).with_token(bob)


def on_disk(file) -> Path:
    return files_folder() / file.file_url.rpartition("/")[2]


def new_files(user: str) -> list:
    frappe.db.rollback()
    return frappe.get_all("File", filters={"owner": user, "is_folder": 0}, fields=["name", "file_url", "file_name"])


def assert_untold(client: Client, file, user: str) -> None:
    """The file lies where it lay, and none of the user's own Files holds what is in it."""
    assert on_disk(file).read_bytes() == SECRET.encode()
    for own in new_files(user):
        answers = [
            call(client, "frappe.core.doctype.file.file.zip_files", files=json.dumps([own.name])),
            client.http.get(f"{client.url}/api/method/download_file", params={"file_url": own.file_url}),
            client.http.get(f"{client.url}/{(own.file_url or '').lstrip('/')}"),
        ]
        for answer in answers:
            assert b"anna" not in unzipped(answer.content), (own, answer.url)


def unzipped(content: bytes) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


# Rows that lead there ------------------------------------------------------------------------------------------------


def leading(file) -> dict[str, dict]:
    url, name = file.file_url, file.file_url.rpartition("/")[2]
    quoted = url.replace("files", "%66iles").replace("Salaries", "%53alaries")
    return {
        "url": {"file_url": url},
        "dots": {"file_url": f"/private/files/x/../{name}"},
        "dots out of files": {"file_url": f"/files/../../private/files/{name}", "is_private": 1},
        "slashes": {"file_url": f"/private//files//{name}"},
        "quoted": {"file_url": quoted},
        "quoted twice": {"file_url": quoted.replace("%", "%25")},
        "blanks": {"file_url": f" {url} "},
        "name alone": {"file_name": name},
        "name alone, public": {"file_name": name, "is_private": 0},
        "another host": {"file_url": f"https://other.example.com{url}", "file_name": "x.csv"},
        "this host": {"file_url": f"http://127.0.0.1{url}", "file_name": "x.csv"},
        "another host, quoted": {"file_url": f"https://other.example.com{quoted}", "file_name": "x.csv"},
        "query": {"file_url": f"https://other.example.com/?x=/{name}", "file_name": "x.csv"},
        "fragment": {"file_url": f"https://other.example.com/#/{name}", "file_name": "x.csv"},
        "query behind": {"file_url": f"{url}?x=1", "file_name": "x.csv"},
        "thumbnail": {"file_url": "https://other.example.com/a.png", "file_name": "a.png", "thumbnail_url": url},
        "thumbnail's query": {
            "file_url": "https://other.example.com/a.png", "file_name": "a.png", "thumbnail_url": f"/x?y=/{name}"
        },
        "folder": {"file_url": url, "file_name": "x", "is_folder": 1},
    }  # fmt: skip


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
    assert let_be == []


def test_no_file_is_changed_to_lead_to_a_jobs(bob_client, bob, file):
    own = frappe.get_doc({"doctype": "File", "file_name": "test_own.txt", "content": "own", "is_private": 1})
    own.insert(ignore_permissions=True)
    own.db_set("owner", bob)
    frappe.db.commit()
    path = f"{bob_client.url}/api/resource/File/{own.name}"
    for way, row in leading(file).items():
        answer = bob_client.http.put(path, json={"file_url": "", **row}, timeout=60)
        assert answer.status_code in REFUSED, (way, answer.text)
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
    assert answer.status_code in REFUSED, answer.text


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
    for change in ({"file_url": file.file_url}, {"file_name": name}, {"file_url": file.file_url, **jobs_own}):
        docs = json.dumps({**whole, **change})
        answer = call(bob_client, "run_doc_method", method="optimize_file", docs=docs)
        assert answer.status_code in REFUSED, answer.text
        assert on_disk(file).read_bytes() == png("red")
        assert (files_folder() / own.file_url.rpartition("/")[2]).read_bytes() == png("blue")


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


# What was there before -------------------------------------------------------------------------------------------


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


def test_an_older_file_of_a_job_is_kept_as_well(bob_client, bob, job, file):
    # Its name is one that anybody guesses, its hash that of its content.
    path = files_folder() / "test_salaries.csv"
    on_disk(file).rename(path)
    try:
        values = {"file_url": "/private/files/test_salaries.csv", "content_hash": frappe.generate_hash()}
        frappe.db.set_value("File", file.name, values)
        frappe.db.commit()
        old = frappe.get_doc("File", file.name)
        for way, row in leading(old).items():
            answer = bob_client.http.post(f"{bob_client.url}/api/resource/File", json={"is_private": 1, **row})
            assert answer.status_code in REFUSED, way
            assert_untold(bob_client, old, bob)
    finally:
        path.unlink(missing_ok=True)


# Whose it is -----------------------------------------------------------------------------------------------------


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
