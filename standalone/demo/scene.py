"""The scene of the demo: two organizations, a user in each, and records for them to export and deliver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import frappe
from frappe.permissions import update_permission_property
from frappe.utils import now_datetime

FIRST_DAY = date(2025, 1, 1)
FIRST_NAMES = ("Ada", "Björn", "Chen", "Dalia", "Emeka", "Freya", "Grace", "Hiro", "Inés", "Jonas")
LAST_NAMES = ("Adler", "Bakker", "Cruz", "Dahl", "Evans", "Fischer", "Gupta", "Haddad", "Ito", "Jansen", "Kovač")
COMPANIES = ("Lighthouse Cafe", "Old Mill Press", "Quay Street School", "Tern Ferries")
TASKS = ("Call back", "Send the invoice", "Check the delivery", "Order paper", "Write the offer", "Answer the letter")


@dataclass(frozen=True, slots=True)
class Party:
    """An organization, its user, and how many records are theirs."""

    organization: str
    user: str
    todos: int
    contacts: int

    @property
    def name(self) -> str:
        """The user's name in the demo."""
        return self.user.partition("@")[0].title()


ALICE = Party("Harbor Books", "alice@harbor-books.example", todos=600, contacts=800)
BOB = Party("Alpine Tools", "bob@alpine-tools.example", todos=200, contacts=400)

# Retries within seconds and a receiver on this machine: settings for a demonstration, not for a real site.
SHORT_DELAYS = "1, 2, 3"


def build() -> None:
    """Make all of it and commit."""
    for job_type in ("sample_job", "http_request", "export_records"):
        frappe.get_doc("Job Type", job_type).update({"retry_delays": SHORT_DELAYS}).save()
    frappe.get_doc("Job Engine Settings").update({"allow_private_addresses": 1}).save()
    # Frappe lets nobody but System Managers export, unless told so in its Role Permissions Manager.
    update_permission_property("ToDo", "All", 0, "export", 1)
    update_permission_property("Contact", "All", 0, "export", 1, if_owner=1)
    for party in (ALICE, BOB):
        _insert("Organization", org_name=party.organization)
        _user(party)
        _insert("Org Member", organization=party.organization, user=party.user, role="Member")
        _add("ToDo", party.user, _todos(party))
        _add("Contact", party.user, _contacts(party))
    frappe.db.commit()


def _insert(doctype: str, **values: object) -> None:
    frappe.get_doc({"doctype": doctype, **values}).insert()


def _user(party: Party) -> None:
    values = {"email": party.user, "first_name": party.name, "send_welcome_email": 0}
    user = frappe.get_doc({"doctype": "User", **values})
    user.append_roles("Dartwing User")
    user.insert()


def _add(doctype: str, owner: str, records: Iterator[dict[str, object]]) -> None:
    """Insert many records at once: two thousand single ones would take longer than all of the jobs."""
    now = now_datetime()
    standard = {"owner": owner, "modified_by": owner, "creation": now, "modified": now, "docstatus": 0, "idx": 0}
    rows = [{"name": frappe.generate_hash(length=10), **standard, **record} for record in records]
    frappe.db.bulk_insert(doctype, list(rows[0]), [tuple(row.values()) for row in rows])


def _todos(party: Party) -> Iterator[dict[str, object]]:
    for number in range(1, party.todos + 1):
        yield {
            "description": f"{TASKS[number % len(TASKS)]}, no. {number}",
            "status": ("Open", "Closed", "Open", "Cancelled", "Open")[number % 5],
            "priority": ("High", "Medium", "Low")[number % 3],
            "date": FIRST_DAY + timedelta(days=number % 365),
            "allocated_to": party.user,
            "assigned_by": party.user,
        }


def _contacts(party: Party) -> Iterator[dict[str, object]]:
    for number in range(1, party.contacts + 1):
        first, last = FIRST_NAMES[number % len(FIRST_NAMES)], LAST_NAMES[number % len(LAST_NAMES)]
        yield {
            "first_name": first,
            "last_name": last,
            "full_name": f"{first} {last}",
            "company_name": COMPANIES[number % len(COMPANIES)],
            "email_id": f"customer{number}@example.com",
            "status": ("Passive", "Open", "Replied")[number % 3],
        }
