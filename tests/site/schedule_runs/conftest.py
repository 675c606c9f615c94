"""The engine's clock, and what may hold a schedule of Test Alpha."""

from __future__ import annotations

import frappe
import pytest

from tests.support import factory
from tests.support.schedule_runs import NOW
from tests.support.schedules import Wall


@pytest.fixture
def wall(site, monkeypatch) -> Wall:
    return Wall(monkeypatch, NOW)


@pytest.fixture
def organization():
    """A function that sets columns of Test Alpha; they are reset at the end."""
    yield lambda **values: (frappe.db.set_value("Organization", factory.ALPHA, values), frappe.db.commit())
    frappe.db.rollback()
    plain = {"status": "Active", "is_paused": 0, "max_waiting": 0, "on_queue_full": "Reject"}
    frappe.db.set_value("Organization", factory.ALPHA, plain)
    frappe.db.commit()


@pytest.fixture(autouse=True)
def _no_notices(site):
    yield
    frappe.db.delete("Notification Log", {"document_type": "Job Schedule"})
    frappe.db.commit()
