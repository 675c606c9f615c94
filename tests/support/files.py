"""Files of jobs, and whether somebody has got what is in them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import frappe
from frappe.model.document import Document

from dartwing_core.jobs import JobContext
from tests.support import factory
from tests.support.http import Client, call
from tests.support.records import files_folder

JOB = "Background Job"
SECRET = "name,salary\r\nanna,9000"
REFUSED = (403, 404, 417)
"""What Frappe answers to those who may not."""


def stored(job: Document, content: bytes, name: str) -> Document:
    """A File of the job, as `export_records` stores it."""
    context = JobContext(
        job_id=job.name,
        job_type=job.job_type,
        organization=factory.ALPHA,
        parameters={},
        timeout_seconds=300,
        attempt=1,
        owner_user=job.owner_user,
    )
    return context.attach(content, name)


def inserted(job: Document, content: bytes, name: str) -> Document:
    """A File of the job, as a handler inserts it."""
    values = {"file_name": name, "content": content, "is_private": 1}
    attached = {"attached_to_doctype": JOB, "attached_to_name": job.name}
    return frappe.get_doc({"doctype": "File", **values, **attached}).insert(ignore_permissions=True)


def delete_files(but_for: set[str]) -> None:
    """Delete all Files but for those of these names, and commit."""
    for name in set(frappe.get_all("File", pluck="name")) - but_for:
        frappe.delete_doc("File", name, force=True, delete_permanently=True)
    frappe.db.commit()


def on_disk(file: Document) -> Path:
    """Where the bytes of a private File lie."""
    return files_folder() / file.file_url.removeprefix("/private/files/")


def new_files(user: str) -> list[Any]:
    """The Files that this user owns, as they are now."""
    frappe.db.rollback()
    return frappe.get_all("File", filters={"owner": user, "is_folder": 0}, fields=["name", "file_url", "file_name"])


def assert_untold(client: Client, file: Document, user: str) -> None:
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
    """All that is packed in an archive; anything else as it is."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


HARMLESS = (
    "another host",
    "another host, quoted",
    "query",
    "fragment",
    "thumbnail",
    "thumbnail's query",
    "folder",
    "this host",
    "name alone",
    "name and folder alone",
    "name alone, public",
    "name in files",
)
"""Ways of `leading` that may be saved, or fail in Frappe: links, and names beside the folder of our files."""


def leading(file: Document) -> dict[str, dict[str, Any]]:
    """Values of Files that might lead to this one's bytes, by the way they do."""
    url, name = file.file_url, file.file_url.rpartition("/")[2]
    below = url.removeprefix("/private/files/")
    quoted = url.replace("files", "%66iles").replace("Salaries", "%53alaries")
    return {
        "url": {"file_url": url},
        "dots": {"file_url": f"/private/files/x/../{below}"},
        "dots within": {"file_url": f"/private/files/dartwing_core/../{below}"},
        "dots out of files": {"file_url": f"/files/../../private/files/{below}", "is_private": 1},
        "slashes": {"file_url": f"/private//files//{below}"},
        "quoted": {"file_url": quoted},
        "quoted twice": {"file_url": quoted.replace("%", "%25")},
        "blanks": {"file_url": f" {url} "},
        "name alone": {"file_name": name},
        "name and folder alone": {"file_name": below},
        "name alone, public": {"file_name": name, "is_private": 0},
        "name in files": {"file_url": f"/private/files/{name}"},
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
