"""A File reads only files, writes its address only into fields for files, and becomes no file of ours afterwards."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import frappe
import pytest
from PIL import Image

from dartwing_core.jobs.access import result_files
from tests.support import factory, files, records, tenants
from tests.support.http import Client, call

pytestmark = pytest.mark.usefixtures("fresh_limits")

ORGANIZATION, WITH_FILE = "Organization", "Test With File"
PUBLIC, PRIVATE = {"is_private": 0}, {"is_private": 1}
REFUSED = files.REFUSED
OF_ALPHA = {"attached_to_doctype": ORGANIZATION, "attached_to_name": factory.ALPHA}


@pytest.fixture(autouse=True)
def kept(site) -> Iterator[set[str]]:
    """The Files that were there before; all others are removed."""
    before = set(frappe.get_all("File", pluck="name"))
    yield before
    frappe.db.rollback()
    files.delete_files(before)


@pytest.fixture
def member(web) -> Client:
    """A member of Test Alpha."""
    return Client(web).with_token(factory.user("file_member", factory.ALPHA))


@pytest.fixture
def admin(web) -> Client:
    """An admin of Test Alpha, who may change it."""
    return Client(web).with_token(tenants.email_of("admin_a"))


@pytest.fixture
def stranger(web) -> Client:
    """An account without any role."""
    return Client(web).with_token(factory.user("file_stranger", roles=()))


def made(client: Client, **values: Any) -> Any:
    return client.http.post(f"{client.url}/api/resource/File", json={"is_private": 1, **values}, timeout=60)


def changed(client: Client, name: str, **values: Any) -> Any:
    return client.http.put(f"{client.url}/api/resource/File/{name}", json=values, timeout=60)


def uploaded(client: Client, content: str | None = None, **values: Any) -> dict[str, Any]:
    """A new File of this client's, by default with content that no other File has."""
    content = content or frappe.generate_hash()
    answer = made(client, **{"file_name": "test-own.txt", "content": content, **values})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def new_name(stem: str) -> str:
    """A file name that no broken-off run has left in the folder of published files."""
    return f"{stem}-{frappe.generate_hash(length=8)}.txt"


def read(client: Client, address: str) -> tuple[int, bytes]:
    answer = client.http.get(f"{client.url}{address}", timeout=60)
    return answer.status_code, answer.content


@pytest.fixture
def of_schedule(kept) -> Iterator[dict[str, str]]:
    """Attached to a schedule of Test Alpha, which its admins may change."""
    values = {"title": "Test Files", "organization": factory.ALPHA, "job_type": "echo_job"}
    values |= {"owner_user": "Administrator", "frequency": "Cron", "cron": "0 0 1 1 *"}
    made = frappe.get_doc({"doctype": "Job Schedule", **values}).insert()
    frappe.db.commit()
    yield {"attached_to_doctype": made.doctype, "attached_to_name": made.name}
    frappe.db.rollback()
    files.delete_files(kept)
    made.delete()
    frappe.db.commit()


# Reading ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "/private/files/../../site_config.json",
        "/files/../../site_config.json",
        "/private/files/../backups/x.sql",
    ],
)
def test_a_file_reads_nothing_but_files(stranger, address):
    # Seen failing on 15: any account read the site's configuration and its backups.
    backup = Path(frappe.get_site_path("private", "backups", "x.sql"))
    backup.parent.mkdir(exist_ok=True)
    backup.write_text("INSERT INTO everything")
    try:
        for name in ("x.json", "site_config.json"):
            answer = made(stranger, file_url=address, file_name=name)
            assert answer.status_code in REFUSED, answer.text
        answer = call(stranger, "upload_file", file_url=address, is_private=1)
        assert answer.status_code in REFUSED, answer.text
        assert not any("db_password" in read(stranger, file.file_url)[1].decode() for file in files.new_files("x"))
    finally:
        backup.unlink()


def test_an_address_that_is_no_path_is_refused_at_once(stranger):
    # Seen failing: it was resolved part by part, which took seconds.
    answer = made(stranger, file_name="x.txt", file_url="/private/files/" + "a/" * 100_000)
    assert answer.status_code in REFUSED
    assert "longer than 2000 characters" in answer.text
    assert answer.elapsed.total_seconds() < 3, "a request of this size takes 0.1 s"


def test_a_long_address_of_another_site_is_as_frappe_has_it(stranger):
    # Seen failing: signed addresses were refused, and documents with older ones could not be deleted.
    link = made(stranger, file_name="x.txt", file_url="https://other.example.com/x?signature=" + "a" * 3_000)
    assert link.status_code == 200, link.text
    name = link.json()["data"]["name"]
    assert changed(stranger, name, file_name="y.txt").status_code == 200
    assert changed(stranger, name, **PUBLIC).status_code == 200
    assert call(stranger, "frappe.client.delete", doctype="File", name=name).status_code == 200


def test_who_has_left_unpacks_none_of_the_files_that_they_have_attached(member):
    # Seen failing: Frappe asked only for the owner.
    user = factory.user("file_leaver", factory.ALPHA)
    client = Client(member.url).with_token(user)
    file = uploaded(Client(member.url).with_token(tenants.email_of("manager")), "of alpha", **OF_ALPHA)
    frappe.db.rollback()
    frappe.db.set_value("File", file["name"], "owner", user)
    frappe.db.commit()
    named = {"files": json.dumps([file["name"]])}
    assert b"of alpha" in files.unzipped(call(client, "frappe.core.api.file.zip_files", **named).content)
    row = {"user": user, "organization": factory.ALPHA}
    frappe.db.set_value("Org Member", row, "status", "Inactive")
    frappe.db.commit()
    frappe.clear_cache(user=user)
    assert b"of alpha" not in files.unzipped(call(client, "frappe.core.api.file.zip_files", **named).content)


# Becoming ours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["{}", "./{}", "x/../{}"])
@pytest.mark.parametrize("more", [{}, {"is_folder": 1}, {"is_folder": "0"}, {"content_hash": "job-x"}])
def test_nobodys_file_becomes_one_of_an_organization(admin, stranger, spelled, more):
    # Seen failing: its bytes were moved away, or nobody could use its name any more.
    theirs = uploaded(stranger, "theirs", file_name="test-theirs.txt")
    address = f"/private/files/{spelled.format(theirs['file_url'].rpartition('/')[2])}"
    for way in ({**OF_ALPHA, "file_url": address, **more}, {"file_url": address, "file_name": "x.txt", **more}):
        answer = made(admin, **way)
        if answer.status_code == 200:  # Frappe's own way with a known address
            name = answer.json()["data"]["name"]
            assert way.keys().isdisjoint(OF_ALPHA), answer.text
            later = changed(admin, name, **OF_ALPHA, **more)
            assert later.status_code in REFUSED, later.text
    assert read(stranger, theirs["file_url"]) == (200, b"theirs")
    assert changed(stranger, theirs["name"], file_type="TXT").status_code == 200
    assert uploaded(stranger, "another", file_name="test-theirs.txt")["file_url"]


@pytest.mark.parametrize(
    "sent", [{"file_url": "/private/files/test-own.txt", "is_private": 0}, {"is_private": "1"}, {"content_hash": "x"}]
)
def test_each_private_file_of_ours_is_marked(admin, of_schedule, sent):
    # Seen failing: with an address in the request, it had a name that one guesses, and shared its bytes.
    file = uploaded(admin, "of alpha", **of_schedule, **sent)
    assert result_files.is_marked(file["content_hash"]), file
    assert file["file_url"] != "/private/files/test-own.txt"
    assert file["is_private"] == 1


def test_a_member_who_may_only_read_attaches_nothing(member):
    # Seen failing: Frappe asks for the permission to write for an upload alone.
    answer = made(member, file_name="planted.html", content="x", **OF_ALPHA)
    assert answer.status_code in REFUSED, answer.text


def test_a_hash_is_nothing_that_one_sends(admin, member, stranger, of_schedule):
    # Seen failing: with the hash of another file, one's own took its place, and was published.
    theirs = uploaded(admin, "theirs", **of_schedule)
    assert result_files.is_marked(theirs["content_hash"])
    for client in (member, stranger):
        for hashed in (theirs["content_hash"], "job-x"):
            own = uploaded(client)
            assert changed(client, own["name"], content_hash=hashed).status_code in REFUSED
            assert changed(client, own["name"], content_hash=hashed, **of_schedule).status_code in REFUSED
            assert changed(client, own["name"], content_hash=hashed, **OF_ALPHA).status_code in REFUSED
    mine = uploaded(admin, "mine", **of_schedule)
    forged = {"content_hash": theirs["content_hash"], "is_private": 0}
    for values in (forged, {"content_hash": "job-x"}, {"file_url": theirs["file_url"]}, PUBLIC, {"is_folder": 1}):
        assert changed(admin, mine["name"], **values).status_code in REFUSED, values
    now = frappe.db.get_value("File", theirs["name"], ["file_url", "is_private"])
    assert now == (theirs["file_url"], 1)


def test_what_is_uploaded_is_read_and_deleted_there(admin, of_schedule):
    file = uploaded(admin, "of alpha", file_name="契約" * 40 + ".txt", **of_schedule)
    assert result_files.is_marked(file["content_hash"])
    assert file["file_name"].startswith("契約")
    assert read(admin, file["file_url"]) == (200, b"of alpha")
    assert call(admin, "frappe.client.delete", doctype="File", name=file["name"]).status_code == 200
    assert not files.on_disk(frappe._dict(file)).exists()


def test_a_link_and_a_published_file_are_as_frappe_has_them(admin, of_schedule):
    link = made(admin, file_url="https://other.example.com/a.txt", file_name="a.txt", **of_schedule)
    assert link.status_code == 200, link.text
    logo = uploaded(admin, "logo", file_name="test-logo.txt", **PUBLIC, **of_schedule)
    assert logo["file_url"].startswith("/files/")
    assert not result_files.is_marked(logo["content_hash"])


def test_code_of_the_site_attaches_a_copy_of_a_file_that_is_there(site):
    values = {"doctype": "File", "file_name": "test-there.txt", "content": "there", **PRIVATE}
    there = frappe.get_doc(values).insert()
    copy = frappe.get_doc({"doctype": "File", "file_url": there.file_url, **OF_ALPHA}).insert()
    frappe.db.commit()
    assert copy.file_url != there.file_url
    assert (copy.is_private, copy.get_content()) == (1, "there")
    there.delete()
    assert copy.exists_on_disk()


# Fields that show a file -------------------------------------------------------------------------------------------


@pytest.fixture
def with_file(kept) -> Iterator[str]:
    """A document that everybody reads and some write, with a field for a file and another one."""
    fields = [
        {"fieldname": "scan", "fieldtype": "Attach", "label": "Scan"},
        {"fieldname": "text", "fieldtype": "Text", "label": "Text"},
    ]
    rules = [{"role": "All", "read": 1, "write": 0}, {"role": "Dartwing User", "read": 1, "write": 1}]
    records.make_doctype(WITH_FILE, fields, rules, module="Core")
    made = frappe.get_doc({"doctype": WITH_FILE, "text": "before"}).insert()
    frappe.db.commit()
    yield made.name
    frappe.db.rollback()
    files.delete_files(kept)
    records.remove_doctypes(WITH_FILE)


@pytest.mark.parametrize("field", ["text", "owner", "modified_by"])
def test_a_file_writes_into_no_field_that_is_none_for_files(stranger, with_file, field):
    # Seen failing: any account wrote any field of any document, such as the template of a mail.
    about = {"attached_to_doctype": WITH_FILE, "attached_to_name": with_file, "attached_to_field": field}
    answer = made(stranger, file_name="{{ 7 * 7 }}.txt", content="x", **about)
    assert answer.status_code in REFUSED, answer.text
    own = uploaded(stranger)
    assert changed(stranger, own["name"], **about).status_code in REFUSED


def test_an_older_file_that_names_such_a_field_is_renamed_and_moved_as_before(stranger, with_file):
    # Seen failing: it could not be saved any more. Only a change of *Is Private* writes into the field.
    own = uploaded(stranger, file_name=new_name("test-older"))
    about = {"attached_to_doctype": WITH_FILE, "attached_to_name": with_file, "attached_to_field": "text"}
    frappe.db.rollback()
    frappe.db.set_value("File", own["name"], about)
    frappe.db.commit()
    assert changed(stranger, own["name"], file_type="TXT").status_code == 200
    assert changed(stranger, own["name"], **PUBLIC).status_code in REFUSED


@pytest.mark.parametrize("field", ["paused_queues", "idempotency_secret", "owner", "nothing"])
def test_a_file_writes_no_settings(stranger, field):
    about = {"attached_to_doctype": "Job Engine Settings", "attached_to_name": "Job Engine Settings"}
    answer = made(stranger, file_name="x.txt", content="x", attached_to_field=field, **about)
    assert answer.status_code in REFUSED, answer.text


def test_a_document_shows_a_file_of_who_may_not_write_it_only_as_before(web, stranger, with_file):
    about = {"attached_to_doctype": WITH_FILE, "attached_to_name": with_file, "attached_to_field": "scan"}
    theirs = uploaded(stranger, file_name=new_name("test-scan"), **about)
    assert changed(stranger, theirs["name"], **PUBLIC).status_code in REFUSED
    assert not frappe.db.get_value(WITH_FILE, with_file, "scan")
    client = Client(web).with_token(tenants.email_of("user"))
    own = uploaded(client, file_name=new_name("test-own-scan"), **about)
    answer = changed(client, own["name"], **PUBLIC)
    assert answer.status_code == 200, answer.text
    frappe.db.rollback()
    assert frappe.db.get_value(WITH_FILE, with_file, "scan") == answer.json()["data"]["file_url"]
    plain = uploaded(stranger, file_name=new_name("test-plain"), **{**about, "attached_to_field": None})
    assert changed(stranger, plain["name"], **PUBLIC).status_code == 200, "no field shows it"


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
    assert re.fullmatch(r"(test-?plan|file)(-)*-[0-9a-f]{32}(\.png)?", base), base
    for field in ("thumbnail_url", "file_url"):
        answer = made(stranger, **{"file_name": "x.png", "content": "x", field: f"{file['file_url']} "})
        assert answer.status_code in REFUSED or field == "file_url", answer.text
    assert files.on_disk(frappe._dict(file)).read_bytes() == b"of alpha"


def test_older_files_with_odd_names_are_recognized_too(stranger, of_schedule):
    # Seen failing: those that end in a blank or begin with two dots.
    for name in ("plan-0123.png ", "..plan-4567.png"):
        path = files.files_folder() / name
        path.write_bytes(b"of alpha")
        values = {"doctype": "File", "file_name": name.strip(" ."), "file_url": f"/private/files/{name}", **PRIVATE}
        older = frappe.get_doc({**values, **of_schedule, "content": "x"}).insert()
        marked = {"file_url": f"/private/files/{name}", "content_hash": result_files.own_hash()}
        frappe.db.set_value("File", older.name, marked)
        frappe.db.commit()
        own = uploaded(stranger)
        assert changed(stranger, own["name"], thumbnail_url=marked["file_url"]).status_code in REFUSED
        sent = {**own, "file_name": name, "content": "evil", "file_size": 9}
        call(stranger, "run_doc_method", docs=json.dumps(sent), method="optimize_file")
        assert path.read_bytes() == b"of alpha"
        path.unlink()


def test_equal_content_of_a_file_that_one_may_not_read_is_uploaded(stranger, of_schedule):
    # Seen failing: the upload was refused, which tells the content.
    theirs = frappe.get_doc({"doctype": "File", "file_name": "test-theirs.txt", "content": "equal", **PRIVATE}).insert()
    about = {"attached_to_doctype": "Background Job", "attached_to_name": tenants.targets("user")["alpha"].name}
    frappe.db.set_value("File", theirs.name, about)
    frappe.db.commit()
    assert uploaded(stranger, "equal")["file_url"] != theirs.file_url


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


def test_who_may_only_read_a_file_of_ours_does_not_rename_it(member, picture):
    # Seen failing: Frappe renames for all readers if the request says so.
    arguments = {"name": "hijacked", "merge": False, "force": True, "validate_rename": False}
    given = {"dt": "File", "dn": picture["name"], "method": "rename", "args": json.dumps(arguments)}
    assert call(member, "run_doc_method", **given).status_code in REFUSED
    assert frappe.db.exists("File", picture["name"])


# Others' documents, as before ----------------------------------------------------------------------------------------


def test_a_file_is_published_whatever_it_is_attached_to_as_before(web, stranger, with_file):
    # Seen failing: forms that were never saved, and texts that show the address.
    unsaved = {"attached_to_doctype": WITH_FILE, "attached_to_name": "new-test-1", "attached_to_field": "scan"}
    own = uploaded(stranger, file_name=new_name("test-unsaved"), **unsaved)
    assert changed(stranger, own["name"], **PUBLIC).status_code == 200
    client = Client(web).with_token(tenants.email_of("user"))
    about = {"attached_to_doctype": WITH_FILE, "attached_to_name": with_file}
    shown = uploaded(client, file_name=new_name("test-shown"), **about)
    frappe.db.rollback()
    frappe.db.set_value(WITH_FILE, with_file, "text", shown["file_url"])
    frappe.db.commit()
    for private in (0, 1, 0):
        assert changed(client, shown["name"], is_private=private).status_code == 200
        assert changed(client, shown["name"], file_type="TXT").status_code == 200


def test_a_form_that_sends_numbers_as_text_changes_nothing(admin, of_schedule):
    # Seen failing: the text 1 was taken for a change.
    file = uploaded(admin, **of_schedule)
    form = {"is_private": "1", "file_type": "TXT"}
    answer = admin.http.put(f"{admin.url}/api/resource/File/{file['name']}", data=form, timeout=60)
    assert answer.status_code == 200, answer.text
