"""A role that may write organizations or members, as the site decides, writes only what its user administers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import frappe
import pytest
from frappe import permissions

from tests.support import factory, tenants
from tests.support.tenants import email_of

pytestmark = pytest.mark.usefixtures("granted")

MEMBER, ORGANIZATION = "Org Member", "Organization"
REFUSED = (403, 404)


@pytest.fixture
def granted(site) -> Iterator[None]:
    """A System Manager has let both roles of this app write, make and delete both DocTypes."""
    for doctype, role in itertools.product((MEMBER, ORGANIZATION), ("Dartwing User", "Dartwing Admin")):
        for ptype in ("write", "create", "delete"):
            permissions.update_permission_property(doctype, role, 0, ptype, 1)
    committed()
    yield
    frappe.db.rollback()
    for doctype in (MEMBER, ORGANIZATION):
        permissions.reset_perms(doctype)
    committed()


def committed() -> None:
    """Commit, and let every process read the permissions anew: one may have read them just before the commit."""
    frappe.db.commit()
    for doctype in (MEMBER, ORGANIZATION):
        frappe.clear_cache(doctype=doctype)


def member_of(user: str, organization: str = factory.ALPHA) -> str:
    return frappe.db.get_value(MEMBER, {"user": user, "organization": organization})


@pytest.mark.parametrize("actor", ["former", "user"])
def test_nobody_makes_themselves_an_admin(web, actor):
    # Seen failing: one's own row could be written, also by a member whose membership had ended.
    client, row = tenants.client_of(actor, web), member_of(email_of(actor))
    change = {"status": "Active", "role": "Admin", "end_date": None}
    before = frappe.db.get_value(MEMBER, row, [*change])
    answer = client.http.put(f"{web}/api/resource/{MEMBER}/{row}", json=change, timeout=60)
    assert answer.status_code in REFUSED, answer.text
    assert client.http.delete(f"{web}/api/resource/{MEMBER}/{row}", timeout=60).status_code in REFUSED
    own = {"user": email_of(actor), "organization": factory.BETA, "role": "Admin", "status": "Active"}
    assert client.http.post(f"{web}/api/resource/{MEMBER}", json=own, timeout=60).status_code in REFUSED
    frappe.db.rollback()
    assert frappe.db.get_value(MEMBER, row, [*change]) == before
    assert client.http.get(f"{web}/api/resource/{MEMBER}/{row}", timeout=60).status_code == 200, "one may read it"


@pytest.mark.parametrize("actor", ["former", "user"])
def test_members_write_no_organization(web, actor):
    # Seen failing: a member could raise the organization's limits, and delete it.
    client, path = tenants.client_of(actor, web), f"{web}/api/resource/{ORGANIZATION}/{factory.ALPHA}"
    assert client.http.put(path, json={"weight": 77}, timeout=60).status_code in REFUSED
    assert client.http.delete(path, timeout=60).status_code in REFUSED
    frappe.db.rollback()
    assert frappe.db.get_value(ORGANIZATION, factory.ALPHA, "weight") == 1


def test_admins_write_what_is_of_their_organization_alone(web):
    # Seen failing: an admin could move a row there that had been another organization's, and theirs to others.
    client = tenants.client_of("admin_a", web)
    anna, bert = factory.user("m_anna", factory.ALPHA), factory.user("m_bert", factory.BETA)
    frappe.db.commit()

    def put(doctype: str, name: str, **change: object) -> int:
        return client.http.put(f"{web}/api/resource/{doctype}/{name}", json=change, timeout=60).status_code

    assert put(MEMBER, member_of(anna), end_date="2099-01-01") == 200
    assert put(ORGANIZATION, factory.ALPHA, weight=2) == 200
    assert put(MEMBER, member_of(anna), organization=factory.BETA) in (*REFUSED, 417)
    assert put(MEMBER, member_of(bert, factory.BETA), organization=factory.ALPHA) in (*REFUSED, 417)
    assert put(ORGANIZATION, factory.BETA, weight=2) in REFUSED
    made = {"user": bert, "organization": factory.ALPHA, "role": "Member", "status": "Active"}
    assert client.http.post(f"{web}/api/resource/{MEMBER}", json=made, timeout=60).status_code == 200
