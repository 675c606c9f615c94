"""Bytes on the disk belong to the Files that lead there: nobody else deletes, overwrites, moves or gets them."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import frappe
import pytest
from PIL import Image

from tests.support import factory
from tests.support.files import REFUSED
from tests.support.http import Client, call
from tests.support.uploads import PRIVATE, PUBLIC, changed, made, new_name, read, uploaded

pytestmark = pytest.mark.usefixtures("fresh_limits")

KINDS = pytest.mark.parametrize("kind", [PRIVATE, PUBLIC], ids=["private", "public"])


@pytest.fixture
def victim(web) -> Client:
    """Another account without any role."""
    return Client(web).with_token(factory.user("file_victim", roles=()))


def deleted(client: Client, name: str) -> None:
    answer = client.http.delete(f"{client.url}/api/resource/File/{name}", timeout=60)
    assert answer.status_code in (200, 202), answer.text


def optimized(client: Client, **document: str) -> Any:
    """The answer to *Optimize* of a stored File (`dt`, `dn`), or of a document that is sent along (`docs`)."""
    return call(client, "run_doc_method", method="optimize_file", **document)


def any_picture() -> bytes:
    """A picture that no other File has. It can be made smaller, and has bytes that Frappe 16 takes for no text."""
    content, pixels = io.BytesIO(), frappe.generate_hash(length=256).encode() + bytes(range(256)) * 47
    Image.frombytes("RGB", (64, 64), pixels).save(content, "PNG", compress_level=0)
    return content.getvalue()


def uploaded_picture(client: Client, content: bytes, **values: Any) -> dict[str, Any]:
    values = {"file_name": f"{frappe.generate_hash()}.png", **values}
    return uploaded(client, base64.b64encode(content).decode(), decode=True, **values)


def on_disk(address: str) -> Path:
    start = "" if address.startswith("/private") else "public"
    return Path(frappe.get_site_path(start, address.lstrip("/")))


def stored(name: str) -> Any:
    frappe.db.rollback()
    return frappe.get_doc("File", name)


# Deleting ------------------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("spelled", ["{}", "{start}/x/{name}", "https://other.example.com/{name}"])
@pytest.mark.parametrize("is_new", [False, True])
def test_nobody_deletes_a_file_as_a_thumbnail(victim, stranger, kind, spelled, is_new):
    # Seen failing: Frappe deletes what has the last part of a thumbnail's address for a name.
    theirs = uploaded(victim, "theirs", file_name=new_name("theirs"), **kind)
    start, _slash, name = theirs["file_url"].rpartition("/")
    address = spelled.format(theirs["file_url"], start=start, name=name)
    own = uploaded(stranger, file_name=new_name("own"), **({"thumbnail_url": address} if is_new else {}))
    if not is_new:
        assert changed(stranger, own["name"], thumbnail_url=address).status_code in REFUSED
    deleted(stranger, own["name"])
    assert read(victim, theirs["file_url"]) == (200, b"theirs")


@KINDS
def test_a_thumbnail_that_is_stored_deletes_no_file_either(victim, stranger, kind):
    # Seen failing: such rows are there from before.
    theirs = uploaded(victim, "theirs", file_name=new_name("theirs"), **kind)
    own = uploaded(stranger, file_name=new_name("own"))
    stored(own["name"]).db_set("thumbnail_url", theirs["file_url"])
    frappe.db.commit()
    deleted(stranger, own["name"])
    assert read(victim, theirs["file_url"]) == (200, b"theirs")
    assert not on_disk(own["file_url"]).exists()


@pytest.mark.parametrize("address", ["/files/{}", "/files//{}", "/files/x/{}"])
def test_nobody_deletes_or_hides_a_file_through_its_address(victim, stranger, address):
    # Seen failing: any File takes the address of a published one, and Frappe asks only for Files of equal content.
    theirs = uploaded(victim, "theirs", file_name=new_name("theirs"), **PUBLIC)
    for act in (lambda name: changed(stranger, name, **PRIVATE), lambda name: deleted(stranger, name)):
        own = uploaded(stranger, file_name=new_name("own"), **PUBLIC)
        changed(stranger, own["name"], file_url=address.format(theirs["file_url"].rpartition("/")[2]))
        act(own["name"])
        assert read(victim, theirs["file_url"]) == (200, b"theirs")


@pytest.mark.parametrize("address", ["/files/{}", "/files/x/{}", "/files/%{:x}{}"])
@pytest.mark.parametrize("more", [{}, PRIVATE], ids=["kept public", "hidden"])
def test_nobody_takes_bytes_to_which_no_file_leads(stranger, address, more):
    # Seen failing: apps and administrators put such files there. They went with the File, or became private.
    path = on_disk(f"/files/{new_name('by-an-app')}")
    path.write_text("of an app")
    try:
        own = uploaded(stranger, file_name=new_name("own"), **PUBLIC)
        odd = address.format(ord(path.name[0]), path.name[1:]) if "%" in address else address.format(path.name)
        changed(stranger, own["name"], file_url=odd, **more)
        changed(stranger, own["name"], **PRIVATE)
        deleted(stranger, own["name"])
        assert path.exists()
    finally:
        path.unlink(missing_ok=True)


def test_a_thumbnail_that_frappe_makes_goes_with_its_file(stranger):
    own = uploaded_picture(stranger, any_picture(), **PUBLIC)
    thumbnail = on_disk(stored(own["name"]).make_thumbnail())
    frappe.db.commit()
    assert thumbnail.exists()
    known = stored(own["name"]).as_dict(convert_dates_to_str=True)
    sent = json.dumps({**known, "thumbnail_url": None, "file_type": "GIF"})  # by a client that does not know it
    answer = call(stranger, "frappe.client.save", doc=sent)
    assert answer.status_code == 200, answer.text
    assert stored(own["name"]).thumbnail_url
    deleted(stranger, own["name"])
    assert not thumbnail.exists()
    assert not on_disk(own["file_url"]).exists()


def test_shared_bytes_go_with_the_last_of_their_files(victim, stranger):
    content = frappe.generate_hash()
    first, second = (uploaded(client, content, file_name=new_name("shared")) for client in (victim, stranger))
    assert first["file_url"] == second["file_url"]
    deleted(victim, first["name"])
    assert read(stranger, second["file_url"]) == (200, content.encode())
    deleted(stranger, second["name"])
    assert not on_disk(first["file_url"]).exists()


# Names of new files --------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("spelled", ["{}", "{start}//{name}", "{start}/./{name}"])
def test_no_upload_lies_at_the_address_of_another_file(victim, stranger, kind, spelled):
    # Seen failing: a File whose bytes were gone led to the bytes of the next upload of that name.
    own = uploaded(stranger, file_name=new_name("payroll"), **kind)
    start, _slash, name = own["file_url"].rpartition("/")
    stored(own["name"]).db_set("file_url", spelled.format(own["file_url"], start=start, name=name))
    frappe.db.commit()
    on_disk(own["file_url"]).unlink()
    theirs = uploaded(victim, "salaries", file_name=own["file_name"], **kind)
    assert theirs["file_url"] != own["file_url"]
    assert read(victim, theirs["file_url"]) == (200, b"salaries")
    assert read(stranger, own["file_url"])[0] != 200
    deleted(stranger, own["name"])
    assert read(victim, theirs["file_url"]) == (200, b"salaries")


def test_a_second_file_keeps_the_bytes_of_the_first_one(stranger):
    # Seen failing: optimizing changed the hash of one File, so Frappe deleted the bytes under the other.
    first = uploaded_picture(stranger, any_picture())
    second = made(stranger, file_url=first["file_url"], file_name="second.png").json()["data"]
    optimized(stranger, dt="File", dn=first["name"])
    deleted(stranger, first["name"])
    assert read(stranger, second["file_url"])[0] == 200


def test_lost_bytes_are_uploaded_again_to_their_address(stranger):
    content = frappe.generate_hash()
    lost = uploaded(stranger, content, file_name=new_name("lost"))
    on_disk(lost["file_url"]).unlink()
    assert uploaded(stranger, content, file_name=lost["file_name"])["file_url"] == lost["file_url"]
    assert read(stranger, lost["file_url"]) == (200, content.encode())


def test_odd_names_overwrite_nothing(victim, stranger):
    # Seen failing on Frappe 16: it writes a?b to a_b, after it has looked for a?b.
    name = new_name("a_b")
    theirs = uploaded(victim, "theirs", file_name=name, **PUBLIC)
    made(stranger, file_name=name.replace("_", "?"), content="mine", **PUBLIC)
    assert read(victim, theirs["file_url"]) == (200, b"theirs")


# Optimizing ----------------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("is_sent", [False, True])
def test_no_picture_is_written_over_another_one(victim, stranger, kind, is_sent):
    # Seen failing: Frappe writes to the name in the row, and a rollback wrote the old content there.
    content = any_picture()
    theirs = uploaded_picture(victim, content, **kind)
    own = uploaded_picture(stranger, any_picture(), **kind)
    name = theirs["file_url"].rpartition("/")[2]
    if is_sent:
        optimized(stranger, docs=json.dumps({**own, "file_name": name}))
    else:
        changed(stranger, own["name"], file_name=name)
        optimized(stranger, dt="File", dn=own["name"])
    assert read(victim, theirs["file_url"]) == (200, content)
    assert read(stranger, own["file_url"])[0] == 200


@KINDS
@pytest.mark.parametrize("more", [{}, {"owner": "me"}, {"__islocal": 1}])
def test_a_picture_that_is_sent_along_is_written_nowhere_else(victim, stranger, kind, more):
    # Seen failing: who called it new wrote over the other one.
    content = any_picture()
    theirs = uploaded_picture(victim, content, **kind)
    more = more and {**more, "owner": factory.user("file_stranger", roles=())}
    optimized(stranger, docs=json.dumps({**theirs, **more}))
    assert on_disk(theirs["file_url"]).read_bytes() == content


@pytest.mark.parametrize("is_new", [False, True])
def test_no_picture_of_another_is_optimized_into_ones_own(victim, stranger, is_new):
    # Seen failing: Frappe reads the address of the document that is sent along.
    theirs = uploaded_picture(victim, any_picture())
    own = uploaded_picture(stranger, any_picture())
    sent = {**own, "file_url": theirs["file_url"], **({"__islocal": 1, "name": None} if is_new else {})}
    before = read(stranger, own["file_url"])
    assert optimized(stranger, docs=json.dumps(sent)).status_code != 200
    assert read(stranger, own["file_url"]) == before
    assert len(frappe.get_all("File", {"owner": ["like", "%file_stranger%"], "is_folder": 0})) == 1


def test_a_file_without_address_leads_to_no_private_file(victim, stranger):
    # Seen failing: Frappe then takes the name for the address, and reads it for an archive.
    theirs = uploaded(victim, "theirs", file_name=new_name("theirs"))
    own = uploaded(stranger)
    changed(stranger, own["name"], file_url="", file_name=theirs["file_url"].rpartition("/")[2])
    packed = call(stranger, "frappe.core.api.file.zip_files", files=json.dumps([own["name"]]))
    assert b"theirs" not in packed.content


@KINDS
def test_the_owner_optimizes_a_picture_also_if_others_share_it(victim, stranger, kind):
    # Seen failing: the second uploader of equal content got an error 500, and wrote beside the address.
    content = any_picture()
    files = [(client, uploaded_picture(client, content, **kind)) for client in (victim, stranger)]
    first, second = (file for _client, file in files)
    assert second["file_url"] == first["file_url"]
    for client, file in reversed(files):
        answer = optimized(client, dt="File", dn=file["name"])
        assert answer.status_code == 200, answer.text
        status, smaller = read(client, stored(file["name"]).file_url)
        assert status == 200
        assert len(smaller) < len(content)
        if client is stranger:
            assert read(victim, first["file_url"]) == (200, content)
    assert stored(first["name"]).file_url == first["file_url"], "nobody else is there any more"


def test_a_rollback_puts_back_what_was_written(site):
    # Seen failing: Frappe wrote it to where the address led by then.
    content = any_picture()
    values = {"file_name": f"{frappe.generate_hash()}.png", "content": content, **PUBLIC}
    file = frappe.get_doc({"doctype": "File", **values}).insert()
    frappe.db.commit()
    file = frappe.get_doc("File", file.name)
    file.optimize_file()
    path = on_disk(file.file_url)
    assert path.read_bytes() != content
    file.save_file(content=b"later", overwrite=True)
    file.file_url = "/files/elsewhere.png"
    frappe.db.rollback()
    assert path.read_bytes() == content
    assert not on_disk("/files/elsewhere.png").exists()
