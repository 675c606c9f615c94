"""A site with a crowd of jobs, made once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from tests.support import crowd, factory

ROWS = 20_000
ORGANIZATION = crowd.organization(7)


@pytest.fixture(scope="package", autouse=True)
def _crowd(_connected: None) -> Iterator[None]:
    factory.wipe()
    crowd.insert(ROWS)
    yield
    factory.wipe()


@pytest.fixture
def site() -> Iterator[None]:
    """Instead of the usual one, which begins by deleting the crowd."""
    yield
    frappe.set_user("Administrator")
    frappe.db.rollback()


@pytest.fixture
def admin() -> str:
    return factory.user("crowd_admin", ORGANIZATION, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))
