"""One world for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import frappe
import pytest

from tests.support import http, processes
from tests.support.http import Client

from .rows import Rows, all_rows, put_back
from .world import ACCOUNTS, World, wipe


@pytest.fixture(scope="package")
def world(_connected: None) -> Iterator[World]:
    """Two organizations with their people and their work."""
    processes.queue_client().flushdb()  # first: Frappe deletes no document while a queue is long
    yield World()
    frappe.db.rollback()
    wipe()


@pytest.fixture
def site(world: World) -> Iterator[None]:
    """The site with this world, which other tests' `site` would take away."""
    http.forget_limits()
    yield
    frappe.set_user("Administrator")
    frappe.db.rollback()


@pytest.fixture(scope="package")
def clients(world: World, web: str) -> dict[str, Client]:
    """A client of each account."""
    for name in ACCOUNTS:
        world.of(name)
    return {name: world.client(name, web) for name in ACCOUNTS}


@pytest.fixture(scope="module")
def before(clients: dict[str, Client]) -> Rows:
    """The rows of all work before the tests of a module."""
    return all_rows()


@pytest.fixture
def kept(before: Rows) -> Iterator[Rows]:
    """The same; a test that changes them leaves them so for no other."""
    yield before
    if all_rows() != before:
        put_back(before)
