"""The pytest plugin of `./dev test`: Frappe can be imported, and the current folder is the bench's `sites`, as it is
for every process of a bench. It runs on a genuine bench's Python (3.10 and later) too, where `frappe` is Frappe.

The tests of a developer's own code (`--app`, `--handlers`) are also connected to the site, as Administrator.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

OWN_CODE = "DW_OWN_CODE"

if os.environ.get("DW_MODE") == "standalone":
    from standalone import alias

    alias.install()


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    # Only now: the paths on the command line were meant from the folder pytest was started in.
    if sites := os.environ.get("DW_SITES_PATH"):
        os.chdir(sites)
    if os.environ.get(OWN_CODE):
        import frappe

        frappe.init(os.environ["DW_SITE"], sites_path=os.environ["DW_SITES_PATH"])
        frappe.connect()
        frappe.flags.in_test = True


if os.environ.get(OWN_CODE):

    @pytest.fixture(autouse=True)
    def _as_before() -> Iterator[None]:
        """Roll back the writes of a test. The next one begins as Administrator."""
        import frappe

        yield
        frappe.db.rollback()
        frappe.set_user("Administrator")
