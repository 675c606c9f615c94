"""The pytest plugin of `./dev test`: Frappe can be imported, and the current folder is the bench's `sites`, as it is
for every process of a bench. It runs on a genuine bench's Python (3.10 and later) too, where `frappe` is Frappe."""

from __future__ import annotations

import os

import pytest

if os.environ.get("DW_MODE") == "standalone":
    from standalone import alias

    alias.install()


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    # Only now: the paths on the command line were meant from the folder pytest was started in.
    if sites := os.environ.get("DW_SITES_PATH"):
        os.chdir(sites)
