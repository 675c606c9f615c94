"""Sites with many jobs: each file of this folder makes its crowd once, for all of its tests."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from tests.support import factory


@pytest.fixture(scope="module")
def empty_site(_connected: None) -> Iterator[None]:
    """No test jobs, before and after the tests of a file."""
    factory.wipe()
    factory.organization(factory.ALPHA)
    factory.organization(factory.BETA)
    frappe.db.commit()
    yield
    factory.wipe()


@pytest.fixture
def site(empty_site: None) -> Iterator[None]:
    """Instead of the usual one, which begins by deleting the crowd."""
    yield
    frappe.set_user("Administrator")
    frappe.db.rollback()
