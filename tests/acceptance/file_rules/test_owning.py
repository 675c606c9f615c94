"""The bytes of a file of ours are those of its own File alone."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import frappe
import pytest
from PIL import Image

from tests.support import files, tenants
from tests.support.files import REFUSED
from tests.support.http import Client, call
from tests.support.uploads import OF_ALPHA, PUBLIC, changed, made, read, uploaded

pytestmark = pytest.mark.usefixtures("fresh_limits")


# Of one document, and still another File ---------------------------------------------------------------------------


@pytest.fixture
def picture(web, of_schedule) -> dict[str, Any]:
    """A picture that a System Manager has attached to a schedule of Test Alpha."""
    manager = Client(web).with_token(tenants.email_of("manager"))
    values = {"file_name": "test-plan.png", "content": base64.b64encode(drawn()).decode(), "decode": True}
    return uploaded(manager, **values, **of_schedule)


def drawn(color: str = "red") -> bytes:
    image = io.BytesIO()
    Image.new("RGB", (40, 40), color).save(image, "PNG")
    return image.getvalue()


@pytest.mark.parametrize("spelled", [str.upper, lambda text: "Jöb-" + text[4:], lambda text: f"{text} "])
def test_a_hash_is_not_sent_in_any_spelling(stranger, picture, spelled):
    # Seen failing: the database took them for equal, so another file took its place and was published.
    own = uploaded(stranger)
    hashed = spelled(picture["content_hash"])
    assert changed(stranger, own["name"], content_hash=hashed).status_code in REFUSED
    link = made(stranger, file_url="https://other.example.com/a.txt", file_name="a.txt", content_hash=hashed)
    assert not link.json().get("data", {}).get("content_hash")
    frappe.db.rollback()
    assert frappe.db.get_value("File", picture["name"], "file_url") == picture["file_url"]


@pytest.mark.parametrize("spelled", [str, str.upper])
def test_a_hash_is_not_sent_along_with_a_link(stranger, picture, spelled):
    # Seen failing: Frappe computes no hash of a link, so the one that was sent along stayed.
    own = uploaded(stranger, file_name="test-mine.png")
    hashed = spelled(picture["content_hash"])
    sent = {**own, "file_url": "http://other.example.com/y.png", "file_name": "y.png", "content": "abc", "file_size": 9}
    call(stranger, "run_doc_method", docs=json.dumps({**sent, "content_hash": hashed}), method="optimize_file")
    frappe.db.rollback()
    assert frappe.db.get_value("File", own["name"], "content_hash") == own["content_hash"]


@pytest.mark.parametrize(
    "name", ["test-plan.png ", "test-plan.png\u3000", "..test-plan.png", "test\nplan?#.png", " . "]
)
def test_an_odd_name_leads_to_no_other_place(admin, stranger, of_schedule, name):
    # Seen failing: such a file was not recognized, so others read, replaced and deleted it.
    file = uploaded(admin, "of alpha", file_name=name, **of_schedule)
    base = file["file_url"].rpartition("/")[2]
    assert re.fullmatch(r"[0-9a-f]{32}\.(test-?plan|file)-*(\.png)?", base), base
    for field in ("thumbnail_url", "file_url"):
        answer = made(stranger, **{"file_name": "x.png", "content": "x", field: f"{file['file_url']} "})
        if answer.status_code == 200:  # a blank more is another file, and Frappe deletes by the last part alone
            name = answer.json()["data"]["name"]
            assert call(stranger, "frappe.client.delete", doctype="File", name=name).status_code == 200
    assert files.on_disk(frappe._dict(file)).read_bytes() == b"of alpha"


def test_equal_content_of_a_file_that_one_may_not_read_is_uploaded(stranger, admin, of_schedule):
    # Seen failing: the upload was refused, which tells the content.
    theirs = uploaded(admin, "equal", **of_schedule)
    assert uploaded(stranger, "equal")["file_url"] != theirs["file_url"]


@pytest.mark.parametrize("more", [{}, {"is_folder": 1, "is_private": 0}])
def test_a_file_of_the_same_document_leads_to_no_other_one(admin, picture, of_schedule, more):
    # Seen failing: it was trusted with all files of the document, published them and deleted them.
    for field in ("thumbnail_url", "file_url"):
        answer = made(
            admin, **{"file_name": "own.txt", "content": "own", field: picture["file_url"], **of_schedule, **more}
        )
        if answer.status_code == 200:
            name = answer.json()["data"]["name"]
            assert call(admin, "frappe.client.delete", doctype="File", name=name).status_code in (200, *REFUSED)
        assert files.on_disk(frappe._dict(picture)).exists(), (field, answer.text)
    public = uploaded(admin, **of_schedule, **PUBLIC)
    assert changed(admin, public["name"], is_folder=1, file_url=picture["file_url"]).status_code in REFUSED


def test_a_picture_of_ours_is_optimized_where_it_lies(web, admin, stranger, picture):
    # Seen failing: its bytes went to a name that one guesses, over the file of somebody else.
    theirs = uploaded(stranger, "theirs", file_name="test-plan.png")
    optimize = {"dt": "File", "dn": picture["name"], "method": "optimize_file"}
    call(stranger, "run_doc_method", **optimize)
    answer = call(Client(web).with_token(tenants.email_of("manager")), "run_doc_method", **optimize)
    assert answer.status_code == 200, answer.text
    assert read(stranger, theirs["file_url"]) == (200, b"theirs")
    frappe.db.rollback()
    now = frappe.get_doc("File", picture["name"])
    assert (now.file_url, now.content_hash) == (picture["file_url"], picture["content_hash"])
    assert files.on_disk(now).stat().st_size


def test_a_document_that_is_sent_along_writes_over_no_file_of_ours(admin, picture, of_schedule):
    # Seen failing: the name of the other file was enough.
    frappe.db.rollback()
    frappe.db.set_value("File", picture["name"], "owner", "Administrator")
    before = files.on_disk(frappe._dict(picture)).read_bytes()
    values = {"file_name": "mine.png", "content": base64.b64encode(drawn("blue")).decode(), "decode": True}
    mine = uploaded(admin, **values, **of_schedule)
    sent = {**mine, "file_name": picture["file_url"].rpartition("/")[2]}
    call(admin, "run_doc_method", docs=json.dumps(sent), method="optimize_file")
    assert files.on_disk(frappe._dict(picture)).read_bytes() == before


def test_a_refused_optimize_leaves_the_bytes_that_were_there(admin, of_schedule):
    # Seen failing: the rollback wrote the content that was sent along.
    values = {"file_name": "test-mine.png", "content": base64.b64encode(drawn("blue")).decode(), "decode": True}
    mine = uploaded(admin, **values, **of_schedule)
    before = files.on_disk(frappe._dict(mine)).read_bytes()
    sent = {**mine, "content": base64.b64encode(drawn("green")).decode(), "decode": True, **OF_ALPHA}
    answer = call(admin, "run_doc_method", docs=json.dumps(sent), method="optimize_file")
    assert answer.status_code in REFUSED, answer.text
    assert files.on_disk(frappe._dict(mine)).read_bytes() == before


def test_who_may_only_read_a_file_of_ours_does_not_rename_it(member, picture):
    # Seen failing: Frappe renames for all readers if the request says so.
    arguments = {"name": "hijacked", "merge": False, "force": True, "validate_rename": False}
    given = {"dt": "File", "dn": picture["name"], "method": "rename", "args": json.dumps(arguments)}
    assert call(member, "run_doc_method", **given).status_code in REFUSED
    assert frappe.db.exists("File", picture["name"])
