"""A File writes its address only into fields for files, of documents that its user may write."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from tests.support import files, records, tenants
from tests.support.files import REFUSED
from tests.support.http import Client
from tests.support.uploads import PUBLIC, changed, made, new_name, uploaded

pytestmark = pytest.mark.usefixtures("fresh_limits")

WITH_FILE = "Test With File"


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
