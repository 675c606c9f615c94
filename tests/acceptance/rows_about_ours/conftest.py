"""The accounts that may not see what the rows are about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import http, processes, tenants
from tests.support.http import Client
from tests.support.rows_about_ours import ACTORS


@pytest.fixture(scope="package")
def web(_connected: None) -> Iterator[str]:
    """One web app for all tests of this folder."""
    with processes.web_app() as url:
        yield url


@pytest.fixture(params=ACTORS)
def stranger(request, web) -> Client:
    http.forget_limits()
    return tenants.client_of(request.param, web)
