"""Organizations: asked for by name, and written by their admins alone, also where the site lets roles write them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import frappe
import pytest
from frappe import permissions

from tests.support import named
from tests.support.http import rest

from .doors import plain
from .world import ALPHA, BETA, MATES, NONE, email_of

MEMBER, ORGANIZATION = "Org Member", "Organization"
REFUSED = (403, 404)


def test_the_name_of_an_organization_tells_no_stranger_that_it_exists(clients):
    body = {"job_type": "echo_job", "parameters": {"text": frappe.generate_hash()}}
    schedule = {"title": "x", "cron": "0 7 * * *", "time_zone": "UTC", "job_type": "echo_job"}
    with named.organization("Test Acme"):
        stranger, told = clients["alpha user"], []
        for asked in ("Test Acme", "Test Other"):
            answers = (
                stranger.post("submit_job", **{**body, "organization": asked}),
                stranger.get("list_jobs", organization=asked),
                rest(stranger, "POST", "Job Schedule", **schedule, organization=asked),
            )
            told.append([(code, text.replace(asked, "$")) for code, text in (plain(one, NONE) for one in answers)])
        assert told[0] == told[1]


@pytest.fixture(scope="module")
def granted(world) -> Iterator[None]:
    """A System Manager has let both roles of this app write, make and delete both DocTypes."""
    for doctype, role in itertools.product((MEMBER, ORGANIZATION), ("Dartwing User", "Dartwing Admin")):
        for ptype in ("write", "create", "delete"):
            permissions.update_permission_property(doctype, role, 0, ptype, 1)
    _committed()
    yield
    frappe.db.rollback()
    for doctype in (MEMBER, ORGANIZATION):
        permissions.reset_perms(doctype)
    frappe.db.set_value(ORGANIZATION, ALPHA, "weight", 1)
    _committed()


def _committed() -> None:
    frappe.db.commit()
    for doctype in (MEMBER, ORGANIZATION):  # a process may have read the permissions just before the commit
        frappe.clear_cache(doctype=doctype)


def row_of(person: str, organization: str = ALPHA) -> str:
    """The membership of a person."""
    return frappe.db.get_value(MEMBER, {"user": email_of(person), "organization": organization})


@pytest.mark.parametrize("account", ["former admin", "alpha user"])
def test_nobody_makes_themselves_an_admin_or_writes_an_organization(clients, granted, account):
    client, row = clients[account], row_of(account)
    change = {"status": "Active", "role": "Admin", "end_date": None}
    before = frappe.db.get_value(MEMBER, row, [*change])
    for path, changes in ((f"{MEMBER}/{row}", change), (f"{ORGANIZATION}/{ALPHA}", {"weight": 77})):
        assert rest(client, "PUT", path, **changes).status_code in REFUSED
        assert rest(client, "DELETE", path).status_code in REFUSED
    own = {"user": email_of(account), "organization": BETA, "role": "Admin", "status": "Active"}
    assert rest(client, "POST", MEMBER, **own).status_code in REFUSED
    frappe.db.rollback()
    assert frappe.db.get_value(MEMBER, row, [*change]) == before
    assert frappe.db.get_value(ORGANIZATION, ALPHA, "weight") == 1
    assert rest(client, "GET", f"{MEMBER}/{row}").status_code == 200, "one may read it"


def test_admins_write_what_is_of_their_organization_alone(clients, granted):
    client, mate, other = clients["alpha admin"], row_of(MATES[ALPHA]), row_of(MATES[BETA], BETA)

    def put(doctype: str, name: str, **change: object) -> int:
        return rest(client, "PUT", f"{doctype}/{name}", **change).status_code

    assert put(MEMBER, mate, end_date="2099-01-01") == 200
    assert put(ORGANIZATION, ALPHA, weight=2) == 200
    assert put(MEMBER, mate, organization=BETA) in (*REFUSED, 417)
    assert put(MEMBER, other, organization=ALPHA) in (*REFUSED, 417)
    assert put(ORGANIZATION, BETA, weight=2) in REFUSED
    made = {"user": email_of(MATES[BETA]), "organization": ALPHA, "role": "Member", "status": "Active"}
    answer = rest(client, "POST", MEMBER, **made)
    assert answer.status_code == 200, answer.text
    assert rest(client, "DELETE", f"{MEMBER}/{answer.json()['data']['name']}").status_code in (200, 202)
