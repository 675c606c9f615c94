"""A document that is sent whole belongs to whom its stored row belongs to; one without a row opens as before."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from tests.support import factory, records
from tests.support.http import Client, call
from tests.support.jobs import submitted

pytestmark = pytest.mark.usefixtures("fresh_limits")

SECRET = "s3cret-of-alpha"


@pytest.fixture
def asker(web) -> Client:
    user = factory.user("loads_beta", factory.BETA, roles=("Dartwing User", "Dashboard Manager"))
    frappe.db.commit()
    return Client(web).with_token(user)


OWNED = "Test Owned Row"


@pytest.fixture
def owned(site) -> Iterator[str]:
    """The row of somebody else, in a DocType whose rows their owners write."""
    rights = [{"role": "All", "read": 1, "write": 1, "delete": 1, "create": 1, "if_owner": 1}]
    title = {"fieldname": "title", "fieldtype": "Data", "label": "Title"}
    records.make_doctype(OWNED, [title], rights, module="Core")
    records.add(OWNED, {"name": "test hidden", "title": SECRET})
    frappe.db.commit()
    yield "test hidden"
    frappe.db.rollback()
    records.remove_doctypes(OWNED)


@pytest.mark.parametrize("way", ["client.save", "savedocs", "discard", "cancel"])
@pytest.mark.parametrize("is_new", [False, True])
def test_nobody_owns_a_row_because_a_sent_document_says_so(asker, owned, way, is_new):
    # Seen failing: the owner that was sent decided, and an error told the time of the last change.
    user = factory.user("loads_beta")
    stored = frappe.get_doc(OWNED, owned).as_dict()
    sent = {**stored, "owner": user, "title": "changed", "modified": str(stored.modified)}
    sent |= {"__islocal": 1} if is_new else {}
    text = frappe.as_json(sent)
    if way == "client.save":
        answer = call(asker, "frappe.client.save", doc=text)
    elif way == "savedocs":
        answer = call(asker, "frappe.desk.form.save.savedocs", doc=text, action="Save")
    else:
        answer = call(asker, "run_doc_method", docs=text, method=way)
    makes_a_new_row = is_new and way in ("client.save", "savedocs")
    assert makes_a_new_row or answer.status_code >= 400, answer.text[:300]
    frappe.db.rollback()
    now = frappe.db.get_value(OWNED, owned, ["title", "docstatus", "owner"])
    assert now == (SECRET, 0, "Administrator")


def test_ones_own_row_is_saved_as_before(asker, owned):
    user = factory.user("loads_beta")
    frappe.db.set_value(OWNED, owned, "owner", user, update_modified=False)
    frappe.db.commit()
    sent = frappe.get_doc(OWNED, owned).as_dict() | {"title": "changed"}
    answer = call(asker, "frappe.desk.form.save.savedocs", doc=frappe.as_json(sent), action="Save")
    assert answer.status_code == 200, answer.text[:300]
    frappe.db.rollback()
    assert frappe.db.get_value(OWNED, owned, ["title", "owner"]) == ("changed", user)


def test_a_document_without_a_table_opens_as_before(web):
    # Seen failing: the rows of a DocType that has no table were looked up, and nobody opened one.
    submitted(factory.job_type("plain"))
    manager = factory.user("opens_entries", roles=("System Manager",))
    frappe.db.commit()
    client = Client(web).with_token(manager)
    names = [row["name"] for row in frappe.get_all("RQ Job", limit=5)]
    assert names
    for answer in (
        client.http.get(f"{web}/api/resource/RQ Job/{names[0]}", timeout=60),
        call(client, "frappe.client.get", doctype="RQ Job", name=names[0]),
    ):
        assert answer.status_code == 200, answer.text[:300]
