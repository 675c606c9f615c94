"""A pytest plugin for the tests of another app (`./dev test --app PATH`): connects them to the site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import launcher


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    launcher.attach().connect()
    import frappe

    frappe.flags.in_test = True


@pytest.fixture(autouse=True)
def _rolled_back() -> Iterator[None]:
    import frappe

    yield
    frappe.db.rollback()
