"""The OpenAPI description is true and current, and no request that it allows ends in a server error."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import dartwing_core.api.jobs  # noqa: F401 - registers the endpoints
from dartwing_core.api import openapi
from dartwing_core.api.endpoints import ENDPOINTS
from tests.support import settings as engine_settings

try:
    import schemathesis
except ImportError:  # a bench may not have it
    schemathesis = None

DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.json"
WITHOUT_LIMIT = {f"{name}_limit": 100_000 for name in ("submit", "status", "list", "cancel", "metrics")}


@pytest.fixture
def unlimited(client):
    with engine_settings.settings(**WITHOUT_LIMIT):
        yield client


def test_the_committed_description_is_current():
    # Renew it with: ./dev api
    assert json.loads(DESCRIPTION.read_text()) == json.loads(json.dumps(openapi.describe()))


def test_the_page_for_people_names_each_call_with_its_verb_and_limit():
    told = {}
    for line in (DESCRIPTION.parent / "rest_api.md").read_text().splitlines():
        if found := re.match(r"\| (GET|POST) ([\w, ]+) \|.* (\w+) \|$", line):
            told |= dict.fromkeys(found[2].split(", "), (found[1], found[3]))
    assert told == {name: (found.method, found.limit) for name, found in ENDPOINTS.items()}


def test_the_description_is_served(client):
    answer = client.get("get_openapi")
    assert answer.status_code == 200
    assert answer.json() == json.loads(DESCRIPTION.read_text())


if schemathesis:
    schema = schemathesis.openapi.from_path(str(DESCRIPTION))

    @schema.parametrize()
    @settings(
        max_examples=5,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def test_requests_made_of_the_description_end_in_no_server_error(case, unlimited):
        case.headers, case.cookies = {}, {}  # our own key instead of a made-up one
        answer = case.call(base_url=unlimited.url, headers=dict(unlimited.http.headers))
        assert answer.status_code < 500, answer.text[:500]
        assert "Traceback (most" not in answer.text
