"""A pytest plugin for the tests of another app (`./dev test --app PATH`): connects them to the site."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    import frappe

    os.chdir(os.environ["DW_SITES_PATH"])  # as `pytest_plugin` does, which comes later
    frappe.init(os.environ["DW_SITE"], sites_path=os.environ["DW_SITES_PATH"])
    frappe.connect()
    frappe.flags.in_test = True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Roll back the writes of a test. The next one begins as Administrator."""
    import frappe

    yield
    frappe.db.rollback()
    frappe.set_user("Administrator")
