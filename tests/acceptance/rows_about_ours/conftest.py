"""The accounts that may not see what the rows are about."""

from __future__ import annotations

import pytest

from tests.support import http, tenants
from tests.support.http import Client
from tests.support.rows_about_ours import ACTORS


@pytest.fixture(params=ACTORS)
def stranger(request, web) -> Client:
    http.forget_limits()
    return tenants.client_of(request.param, web)
