"""What many tests of a site in one process begin with."""

from __future__ import annotations

import frappe
import pytest

from tests.support import factory


@pytest.fixture
def job_type(site) -> str:
    """A Job Type whose handler does next to nothing."""
    name = factory.job_type("plain")
    frappe.db.commit()
    return name
