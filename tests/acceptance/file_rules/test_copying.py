"""Who knows the name or the address of a private file gets no copy of it: Frappe tells both to all sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import frappe
import pytest
from frappe.email import email_body

from dartwing_core.wall import by_request, copied_files, guard
from tests.support import factory, files, records, web_request
from tests.support.files import REFUSED
from tests.support.http import Client, call, rest
from tests.support.uploads import PUBLIC, changed, made, new_name, read, uploaded

pytestmark = pytest.mark.usefixtures("fresh_limits")

SECRET = "a print of Test Alpha"
COPIER = ["like", "%file_copier%"]
MAIL = "/api/method/frappe.core.doctype.communication.email.make"


@pytest.fixture
def stranger(web) -> Client:
    """A user of Desk without membership."""
    return Client(web).with_token(factory.user("file_copier", roles=("Desk User",)))


@pytest.fixture
def printed(member) -> dict[str, Any]:
    """A print as Frappe's bulk print makes it: a private File of its maker, attached to nothing."""
    return uploaded(member, f"{SECRET} {frappe.generate_hash()}", file_name=new_name("print"))


@pytest.fixture
def note(stranger) -> Iterator[dict[str, str]]:
    """A document of the stranger's own."""
    yield from _note_of(stranger)


@pytest.fixture
def note_of_member(member) -> Iterator[dict[str, str]]:
    yield from _note_of(member)


@pytest.fixture
def with_file(kept) -> Iterator[str]:
    """A DocType with a field for a file. Everybody has documents of their own."""
    fields = [{"fieldname": "scan", "fieldtype": "Attach", "label": "Scan"}]
    rights = {"role": "All", "if_owner": 1, "read": 1, "write": 1, "create": 1}
    records.make_doctype("Test With Scan", fields, [rights], module="Core")
    yield "Test With Scan"
    frappe.db.rollback()
    files.delete_files(kept)
    records.remove_doctypes("Test With Scan")


def _note_of(client: Client) -> Iterator[dict[str, str]]:
    answer = call(client, "frappe.client.insert", doc={"doctype": "Note", "title": frappe.generate_hash()})
    assert answer.status_code == 200, answer.text
    name = answer.json()["message"]["name"]
    yield {"doctype": "Note", "name": name}
    frappe.db.rollback()
    frappe.delete_doc("Note", name, force=True, ignore_missing=True)
    frappe.db.commit()


def assert_untold(client: Client, printed: dict[str, Any]) -> None:
    """Neither the address itself nor a File of the client's leads to the bytes."""
    frappe.db.rollback()
    own = frappe.get_all("File", {"owner": COPIER, "is_folder": 0}, ["name", "file_url"])
    known = {printed["file_url"], f"{printed['file_url']}?fid={printed['name']}"}
    for address in known | {one.file_url for one in own if one.file_url.startswith("/")}:
        assert SECRET.encode() not in read(client, address)[1], address
        answer = client.http.get(f"{client.url}/api/method/download_file", params={"file_url": address}, timeout=60)
        assert SECRET.encode() not in answer.content, address
    names = json.dumps([printed["name"], *(one.name for one in own)])
    packed = call(client, "frappe.core.api.file.zip_files", files=names)
    assert SECRET.encode() not in files.unzipped(packed.content)


# By name -------------------------------------------------------------------------------------------------------------


def test_no_file_is_attached_by_its_name(stranger, printed, note):
    # Seen failing: Frappe copies the row of any File for everybody.
    answer = call(stranger, "frappe.utils.file_manager.add_attachments", attachments=[printed["name"]], **note)
    assert answer.status_code in REFUSED, answer.text
    assert_untold(stranger, printed)


def test_no_file_is_mailed_by_its_name(stranger, printed, note):
    sent = {"content": "x", "subject": "x", "recipients": "x@example.com", "attachments": json.dumps([printed["name"]])}
    answer = call(stranger, "frappe.core.doctype.communication.email.make", **sent, **note)
    assert answer.status_code in REFUSED, answer.text
    assert_untold(stranger, printed)


def test_nobody_attaches_the_file_of_another_to_their_own_document(stranger, printed, note):
    # Seen failing: Frappe asked for the permission of the new document alone.
    about = {"attached_to_doctype": note["doctype"], "attached_to_name": note["name"]}
    answer = changed(stranger, printed["name"], **about)
    assert answer.status_code in REFUSED, answer.text
    sent = json.dumps({**printed, **about})
    assert call(stranger, "frappe.client.save", doc=sent).status_code in REFUSED
    assert_untold(stranger, printed)


def test_no_archive_is_unpacked_by_its_name(stranger, printed):
    answer = call(stranger, "frappe.core.api.file.unzip_file", name=printed["name"])
    assert answer.status_code != 200
    assert_untold(stranger, printed)


# By address ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelled",
    [
        "/private/files/{}",
        "/private/files//{}",
        "/private/files/./{}",
        "/private/files/dartwing_core/../{}",
        "/files/../../private/files/{}",
        "/private/files/%70{rest}",
        "/private/files/%2570{rest}",
        "/private/files/%252570{rest}",
        "http://{host}/private/files/{}",
        "{}",
    ],
)
@pytest.mark.parametrize("more", [{}, {"is_folder": 1}, {"content": "known"}, PUBLIC])
def test_no_file_is_copied_by_its_address(stranger, printed, spelled, more):
    # Seen failing, also published: Frappe takes any address, and trusts any File that has it.
    name = printed["file_url"].rpartition("/")[2]
    address = spelled.format(name, rest=name[1:], host=stranger.http.headers["Host"])
    if "content" in more:
        uploaded(stranger, "known")
    answer = made(stranger, file_url=address, file_name="x.txt", **more)
    if answer.status_code == 200:
        own = answer.json()["data"]["name"]
        for values in ({"file_type": "TXT"}, {"file_type": "CSV", "is_folder": 0}, PUBLIC, {"is_private": 1}):
            changed(stranger, own, **values)
            assert_untold(stranger, printed)
    assert_untold(stranger, printed)
    assert read(stranger, f"/files/{name}")[0] != 200


def test_no_file_is_copied_by_an_upload_or_a_change(stranger, printed, note):
    about = {"doctype": note["doctype"], "docname": note["name"]}
    answer = call(stranger, "upload_file", file_url=printed["file_url"], is_private=1, **about)
    assert answer.status_code != 200, answer.text
    own = uploaded(stranger)
    assert changed(stranger, own["name"], file_url=printed["file_url"]).status_code != 200
    assert_untold(stranger, printed)


def test_it_is_answered_as_a_missing_file(stranger, printed):
    def answered(address: str) -> tuple[int, str]:
        answer = made(stranger, file_url=address, file_name="x.txt")
        return answer.status_code, answer.json()["exception"].replace(address, "…")

    assert answered(printed["file_url"]) == answered("/private/files/print-nothing.txt")


def test_a_name_in_another_case_reads_no_file(stranger, printed):
    # Seen failing: the database took the addresses for equal, and Frappe sent what was asked for.
    name = printed["file_url"].rpartition("/")[2]
    own = uploaded(stranger, "own", file_name=name.capitalize())
    assert own["file_url"].lower() == printed["file_url"].lower()
    assert own["file_url"] != printed["file_url"]
    assert made(stranger, file_url=printed["file_url"], file_name="x.txt").status_code != 200
    assert read(stranger, own["file_url"]) == (200, b"own")
    assert_untold(stranger, printed)


@pytest.mark.parametrize("kind", ["printed", "of a note"])
@pytest.mark.parametrize("spelled", [str, str.capitalize])
def test_a_field_that_shows_it_attaches_no_file(stranger, member, with_file, note_of_member, kind, spelled):
    # Seen failing: Frappe attached the File of the address to the document that shows it.
    about = {"attached_to_doctype": "Note", "attached_to_name": note_of_member["name"]}
    name = new_name("print")
    shown = uploaded(member, SECRET + name, file_name=name, **(about if kind == "of a note" else {}))
    if spelled is str.capitalize:
        uploaded(stranger, "own", file_name=name.capitalize())
    values = {"doctype": with_file, "scan": f"/private/files/{spelled(name)}"}
    answer = call(stranger, "frappe.client.insert", doc=values)
    assert answer.status_code == 200, answer.text
    assert_untold(stranger, shown)


def test_a_new_form_takes_over_no_file_of_another_document(stranger, member, with_file):
    # Seen failing: Frappe moved the File from the document whose name was sent as that of the form.
    theirs = call(member, "frappe.client.insert", doc={"doctype": with_file}).json()["message"]["name"]
    about = {"attached_to_doctype": with_file, "attached_to_name": theirs, "attached_to_field": "scan"}
    shown = uploaded(member, f"{SECRET} {theirs}", file_name=new_name("print"), **about)
    values = {"doctype": with_file, "scan": shown["file_url"], "__temporary_name": theirs}
    call(stranger, "frappe.client.insert", doc=values)
    assert_untold(stranger, shown)


def test_the_address_of_a_file_publishes_no_other_one(stranger, printed):
    # Seen failing: a folder had any address, and Frappe moved the file with its last part for a name.
    name = printed["file_url"].rpartition("/")[2]
    folder = {"is_folder": 1, "file_name": frappe.generate_hash(), "folder": "Home", "file_url": f"/x/{name}"}
    answer = made(stranger, **folder)
    assert answer.status_code == 200, answer.text
    changed(stranger, answer.json()["data"]["name"], is_folder=0, **PUBLIC)
    assert read(stranger, f"/files/{name}")[0] != 200
    assert files.on_disk(frappe._dict(printed)).exists()


# Mails and sockets ---------------------------------------------------------------------------------------------------


def test_a_mail_embeds_no_private_file_of_another(stranger, printed):
    # Seen failing: the address in the text was enough.
    for user, is_theirs in ((printed["owner"], True), (frappe.db.get_value("User", {"email": COPIER}), False)):
        with web_request.made("POST", MAIL, user, {"content": "x"}):
            guard.check_request()
            _html, embedded = _called_by_frappe(
                email_body.replace_filename_with_cid, f'x embed="{printed["file_url"]}" y'
            )
            assert bool(embedded) is is_theirs


def test_an_import_reads_no_private_file_of_another(stranger, printed):
    # A site may give roles for imports, whose preview shows what is in the file.
    document = frappe.get_doc({"doctype": "Data Import", "import_file": printed["file_url"]})
    for user, error in (
        (printed["owner"], None),
        (frappe.db.get_value("User", {"email": COPIER}), frappe.DoesNotExistError),
    ):
        with web_request.made("POST", MAIL, user, {"content": "x"}):
            guard.check_request()
            with pytest.raises(error) if error else nullcontext():
                _called_by_frappe(copied_files.check_sent_files, document)


def _called_by_frappe(function: Callable[..., Any], *arguments: Any) -> Any:
    """What one of Frappe's own functions gets that calls this."""
    names: dict[str, Any] = {"__name__": "frappe.desk.made_up", "function": function}
    exec("def called(*arguments):\n    return function(*arguments)", names)
    return names["called"](*arguments)


def test_only_who_has_asked_for_a_print_hears_where_it_lies(site, monkeypatch):
    # Seen failing: all sockets of the site heard it.
    heard: list[tuple[Any, ...]] = []
    monkeypatch.setattr(frappe.realtime, "emit_via_redis", lambda *event: heard.append(event))
    frappe.publish_realtime("task_complete:abc", message={"file_url": "/private/files/x.pdf"})
    frappe.publish_realtime("test_other", message={})
    assert [room for _event, _message, room in heard] == ["user:Administrator", frappe.realtime.get_site_room()]


# What stays ----------------------------------------------------------------------------------------------------------


def test_ones_own_files_are_attached_mailed_and_shown_as_before(member, printed, note_of_member, with_file):
    kind, name = note_of_member.values()
    about = {"doctype": kind, "docname": name}
    chosen = call(member, "upload_file", library_file_name=printed["name"], **about)
    assert chosen.status_code == 200, chosen.text
    assert chosen.json()["message"]["file_url"] == printed["file_url"]
    by_address = made(member, file_url=printed["file_url"], attached_to_doctype=kind, attached_to_name=name)
    assert by_address.status_code == 200, by_address.text
    copied = call(member, "frappe.utils.file_manager.add_attachments", attachments=[printed["name"]], **note_of_member)
    assert copied.status_code == 200, copied.text
    sent = {"content": "x", "subject": "x", "attachments": json.dumps([printed["name"]])}
    mailed = call(member, "frappe.core.doctype.communication.email.make", **sent)
    assert mailed.status_code == 200, mailed.text
    shown = call(member, "frappe.client.insert", doc={"doctype": with_file, "scan": printed["file_url"]})
    frappe.db.rollback()
    attached = {"attached_to_doctype": with_file, "attached_to_name": shown.json()["message"]["name"]}
    assert frappe.db.get_value("File", attached, "file_url") == printed["file_url"]
    file = made(member, file_url=printed["file_url"], file_name="x.txt").json()["data"]["name"]
    moved = changed(member, file, attached_to_doctype=kind, attached_to_name=name)
    assert moved.status_code == 200, moved.text


def test_equal_content_is_kept_once_as_before(stranger, printed, member):
    content = frappe.generate_hash()
    theirs = uploaded(member, content, file_name=new_name("equal"))
    own = uploaded(stranger, content, file_name="another.txt")
    assert own["file_url"] == theirs["file_url"]
    assert read(stranger, own["file_url"]) == (200, content.encode())
    assert changed(stranger, own["name"], file_type="TXT").status_code == 200


def test_an_amended_document_gets_the_attachments(member, with_file):
    fields = [{"fieldname": "amended_from", "fieldtype": "Link", "options": with_file, "label": "Amended From"}]
    allowed = ("read", "write", "create", "submit", "cancel", "amend")
    rights = {"role": "All", "if_owner": 1, **dict.fromkeys(allowed, 1)}
    records.remove_doctypes(with_file)
    records.make_doctype(with_file, fields, [rights], module="Core", is_submittable=1)
    first = call(member, "frappe.client.insert", doc={"doctype": with_file}).json()["message"]["name"]
    about = {"attached_to_doctype": with_file, "attached_to_name": first}
    file = uploaded(member, file_name=new_name("amended"), **about)
    for values in ({"docstatus": 1}, {"docstatus": 2}):
        assert rest(member, "PUT", f"{with_file}/{first}", **values).status_code == 200
    amended = call(member, "frappe.client.insert", doc={"doctype": with_file, "amended_from": first})
    assert amended.status_code == 200, amended.text
    frappe.db.rollback()
    about["attached_to_name"] = amended.json()["message"]["name"]
    assert frappe.db.get_value("File", about, "file_url") == file["file_url"]


def test_code_of_an_app_copies_any_file(site, printed, note):
    # Within one of Frappe's own functions, too: it calls hooks.
    frappe.set_user(frappe.db.get_value("User", {"email": COPIER}))
    by_request.watch(by_frappe=True)
    try:
        values = {"file_url": printed["file_url"], "attached_to_doctype": "Note", "attached_to_name": note["name"]}
        copy = frappe.get_doc({"doctype": "File", **values}).insert(ignore_permissions=True)
    finally:
        by_request.watch(by_frappe=False)
        frappe.set_user("Administrator")
    assert copy.file_url == printed["file_url"]
