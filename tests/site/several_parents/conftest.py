"""A Job Type whose jobs end as planned, where nobody sweeps."""

from __future__ import annotations

import frappe
import pytest

from tests.support import factory


@pytest.fixture
def job_type(no_sweeps) -> str:
    name = factory.job_type("plain", "scripted", max_retries=3)
    frappe.db.commit()
    return name
