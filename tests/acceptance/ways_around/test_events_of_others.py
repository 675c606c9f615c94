"""Calendars of other users show no private events about our documents."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.wall.frappe_version import IS_15
from tests.support import factory
from tests.support.http import call

GET_EVENTS = "frappe.desk.doctype.event.event.get_events"
SPAN = {"start": "2037-03-01", "end": "2037-03-02"}


def event(owner: str, subject: str, *, about: str | None = factory.ALPHA, **values: object) -> str:
    """An event of this user, with an Organization as participant if `about` is given."""
    participants = [{"reference_doctype": "Organization", "reference_docname": about}] if about else []
    made = {"doctype": "Event", "subject": subject, "starts_on": "2037-03-01 10:00:00", "event_type": "Private"}
    document = frappe.get_doc({**made, **values, "event_participants": participants}).insert(ignore_permissions=True)
    document.db_set("owner", owner)
    return document.name


@pytest.fixture
def events(alice, bob) -> Iterator[None]:
    """Alice's events, and one of Bob's. Bob is in another organization."""
    names = [
        event(alice, "about ours"),
        event(alice, "about nothing", about=None),
        event(alice, "published", event_type="Public"),
        event(bob, "his own"),
        shared := event(alice, "shared"),
    ]
    frappe.share.add("Event", shared, bob)
    if frappe.get_meta("Event").has_field("reference_docname"):  # Frappe 16
        about = {"reference_doctype": "Organization", "reference_docname": factory.ALPHA}
        link = {"link_doctype": "Organization", "link_name": factory.ALPHA}
        names += [event(alice, "by reference", about=None, **about), event(alice, "by link", about=None, links=[link])]
    frappe.db.commit()
    yield
    frappe.db.rollback()
    for name in names:
        frappe.delete_doc("Event", name, force=True, ignore_permissions=True)
    frappe.db.commit()


def shown(client, **arguments: object) -> set[str]:
    answer = call(client, GET_EVENTS, **SPAN, **arguments)
    assert answer.status_code == 200, answer.text
    return {row["subject"] for row in answer.json()["message"]}


def test_the_calendar_of_another_user_shows_no_event_about_ours(stranger, events, alice, bob):
    # Seen failing: all private events of whoever was named, also with our documents as participants.
    shared = set() if IS_15 else {"shared"}  # Frappe 15 does not list a private event to whom it is shared with
    assert shown(stranger, user=alice) == {"about nothing", "published", *shared}
    assert "about ours" not in call(stranger, GET_EVENTS, **SPAN, user=[alice]).text
    assert shown(stranger) == shown(stranger, user=bob) == {"his own", "published", "shared"}
