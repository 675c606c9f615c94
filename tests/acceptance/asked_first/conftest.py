"""A job of Alpha with a traceback, and the accounts that ask for it."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from tests.support import processes, tenants
from tests.support.http import Client
from tests.support.named_requests import RUN, TRACE


@pytest.fixture(scope="package")
def web(_connected: None) -> Iterator[str]:
    """One web app for all tests of this folder."""
    with processes.web_app() as url:
        yield url


@pytest.fixture
def job(site) -> str:
    """A job of somebody else's in Alpha, with an attempt that has a traceback."""
    made = tenants.targets("user")["alpha"].name
    frappe.db.sql(f"UPDATE `tab{RUN}` SET traceback = %s WHERE background_job = %s", (TRACE, made))
    frappe.db.commit()
    return made


@pytest.fixture(params=["user", "admin_b", "portal", "roleless", "disabled", "guest"])
def stranger(request, web) -> Client:
    """Everybody who may not see it, but members and admins of Beta first."""
    return tenants.client_of(request.param, web)


@pytest.fixture
def user(web) -> Client:
    return tenants.client_of("user", web)
