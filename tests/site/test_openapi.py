"""The OpenAPI description is true and current, and no request it allows, or odd one, ends in a server error."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import dartwing_core.api.jobs  # noqa: F401 - registers the endpoints
from dartwing_core.api import openapi
from dartwing_core.api.registry import ENDPOINTS
from tests.support import database, factory, http
from tests.support import settings as engine_settings
from tests.support.http import API, Client

try:
    import schemathesis
except ImportError:  # a bench may not have it
    schemathesis = None

DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.json"
WITHOUT_LIMIT = {f"{name}_limit": 100_000 for name in ("submit", "status", "list", "cancel", "metrics")}


@pytest.fixture
def client(web, alice) -> Client:
    http.forget_limits()
    return Client(web).with_token(alice)


@pytest.fixture
def unlimited(client):
    with engine_settings.settings(**WITHOUT_LIMIT):
        yield client


def count() -> int:
    return database.value("SELECT COUNT(*) FROM `tabBackground Job` WHERE organization LIKE 'Test %%'")


def test_the_committed_description_is_current():
    # Renew it with: ./dev api
    assert json.loads(DESCRIPTION.read_text()) == json.loads(json.dumps(openapi.describe()))


def test_the_description_is_served(client):
    answer = client.get("get_openapi")
    assert answer.status_code == 200
    assert answer.json() == json.loads(DESCRIPTION.read_text())


def test_every_endpoint_is_described_with_its_verb_and_required_arguments():
    document = openapi.describe()
    for name, endpoint in ENDPOINTS.items():
        operation = document["paths"][API + name][endpoint.method.lower()]
        assert operation["summary"]
        assert "200" in operation["responses"]
    body = document["paths"][f"{API}submit_job"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["job_type"]


def test_booleans_are_taken_as_they_are_described(client):
    # Seen failing: list_schedules(enabled=true) listed those that are not enabled.
    found = 0
    for name, endpoint in ENDPOINTS.items():
        if endpoint.method != "GET":
            continue
        for parameter in openapi.describe()["paths"][API + name]["get"]["parameters"]:
            if "boolean" not in json.dumps(parameter["schema"]):
                continue
            found += 1
            for value in ("true", "false", "1", "0", True, False, ""):
                answer = client.get(name, **{parameter["name"]: value})
                assert answer.status_code == 200, (name, value, answer.text)
            refused = client.get(name, **{parameter["name"]: "maybe"})
            assert refused.status_code == 400
            assert refused.json()["message"] == f"{parameter['name']} must be true or false."
    assert found


if schemathesis:
    schema = schemathesis.openapi.from_path(str(DESCRIPTION))

    @schema.parametrize()
    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def test_requests_made_of_the_description_end_in_no_server_error(case, unlimited):
        case.headers, case.cookies = {}, {}  # our own key instead of a made-up one
        answer = case.call(base_url=unlimited.url, headers=dict(unlimited.http.headers))
        assert answer.status_code < 500, answer.text[:500]
        assert "Traceback (most" not in answer.text


# Odd arguments

ODD = [
    None, "", " ", 0, -1, 2**63, 10**30, 1.5, math.pi * 1e300, True, [], {}, [[]], {"a": {"b": [None]}}, "x" * 5000,
    "' OR 1=1 --", "`; DROP TABLE tabUser; --", "%s%(a)s", "\u0000", "\U0001f600\u0301", "<script>alert(1)</script>",
    "../../etc/passwd", "null", "[1,2", '{"a":1}', "JOB-NOWHERE", ["JOB-NOWHERE"], "9999-12-31", "-1", "1e400", "NaN",
]  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - {"get_openapi"}))
def test_no_odd_argument_is_a_server_error_or_writes_anything(unlimited, name):
    document = openapi.describe()
    operation = next(iter(document["paths"][API + name].values()))
    is_get = ENDPOINTS[name].method == "GET"
    if is_get:
        arguments = [parameter["name"] for parameter in operation["parameters"]]
    else:
        arguments = list(operation["requestBody"]["content"]["application/json"]["schema"]["properties"])
    good = {"job_type": "echo_job", "organization": factory.ALPHA} if name == "submit_job" else {}
    for argument in arguments:
        for value in ODD:
            call = unlimited.get if is_get else unlimited.post
            before = count()
            answer = call(name, **{**good, argument: value})
            assert answer.status_code < 500, (argument, value, answer.text[:500])
            assert "Traceback (most" not in answer.text
            if answer.status_code != 200:
                assert count() == before, (argument, value)
