"""An export holds the rows and fields that its owner may read and export."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import PermanentError
from tests.support import database, factory, records
from tests.support.exports import Context, export, exported, names
from tests.support.records import OWN, RECORD

pytestmark = pytest.mark.usefixtures("record_doctypes")


def test_a_password_field_is_never_exported_not_even_for_administrators():
    with pytest.raises(PermanentError, match="pin is no field"):
        export(fields=["pin"])


def test_a_field_of_a_higher_permission_level_is_exported_for_those_who_may_read_it():
    records.add(RECORD, {"name": "R1", "salary": 9000})
    manager = factory.user("manager", factory.ALPHA, roles=("System Manager",))
    assert export(as_user=manager, fields=["name", "salary"])[1] == ["R1", "9000"]


def test_user_permissions_hold(alice):
    records.add(
        RECORD, {"name": "A", "organization": factory.ALPHA}, {"name": "B", "organization": factory.BETA}, {"name": "C"}
    )
    assert names(export(as_user=alice)) == ["A", "B", "C"]
    permission = {"doctype": "User Permission", "user": alice, "allow": "Organization", "for_value": factory.ALPHA}
    frappe.get_doc(permission).insert()
    assert names(export(as_user=alice)) == ["A", "C"]


def test_a_role_for_own_records_exports_those_only(alice, bob):
    records.add(OWN, {"name": "A", "owner": alice}, {"name": "B", "owner": bob})
    assert names(export(OWN, as_user=alice)) == ["A"]
    assert names(export(OWN, as_user=bob)) == ["B"]
    assert names(export(OWN)) == ["A", "B"]


def test_a_shared_record_can_be_read_but_not_exported_with_a_role_for_own_records(alice, bob):
    records.add(OWN, {"name": "A", "owner": alice}, {"name": "B", "owner": bob})
    frappe.share.add(OWN, "B", alice, read=1)
    frappe.set_user(alice)
    assert sorted(frappe.get_list(OWN, pluck="name")) == ["A", "B"]
    assert names(export(OWN, as_user=alice)) == ["A"]


def test_a_shared_record_is_exported_with_the_others_when_the_role_may_export_all(alice):
    records.add(RECORD, {"name": "A", "organization": factory.ALPHA}, {"name": "B", "organization": factory.BETA})
    permission = {"doctype": "User Permission", "user": alice, "allow": "Organization", "for_value": factory.ALPHA}
    frappe.get_doc(permission).insert()
    frappe.share.add(RECORD, "B", alice, read=1)
    assert names(export(as_user=alice)) == ["A", "B"]


def test_no_document_is_loaded(alice):
    records.add(RECORD, *({"name": f"R{n}"} for n in range(200)))
    frappe.set_user(alice)
    exported(Context({"doctype": RECORD, "fields": ["name"]}))
    with database.statements() as seen:
        exported(Context({"doctype": RECORD, "fields": ["name"], "filters": {"name": ["like", "R%"]}}))
    assert len([sql for sql in seen if f"`tab{RECORD}`" in sql]) < 10
