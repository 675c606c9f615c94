"""Organizations and their members are seen by their members alone, on the paths that ask nobody too."""

from __future__ import annotations

import json

import frappe
import pytest
import requests

from tests.support import factory, http, named, tenants
from tests.support.http import Client
from tests.support.tenants import ACTORS

SEES_BETA = ("admin_b", "manager")


@pytest.fixture(autouse=True)
def _fresh_limits(site):
    http.forget_limits()


def get(client: Client, name: str, /, **arguments: object) -> requests.Response:
    params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in arguments.items()}
    return client.http.get(f"{client.url}/api/method/frappe.{name}", params=params, timeout=60)


@pytest.mark.parametrize("name", ACTORS)
def test_only_its_members_find_an_organization(web, name):
    may_see, bert = name in SEES_BETA, factory.user("m_bert", factory.BETA)
    frappe.db.commit()
    client = tenants.client_of(name, web)
    organization = {"doctype": "Organization", "filters": {"name": factory.BETA}}
    member = {"doctype": "Org Member", "filters": {"user": bert}}
    search = {"doctype": "Organization", "txt": "Test B"}
    answers = {
        "list": get(client, "client.get_list", **organization),
        "count": get(client, "client.get_count", **organization),
        "value": get(client, "client.get_value", fieldname="name", **organization),
        "members": get(client, "client.get_list", **member, fields=["user", "organization"]),
        "members' count": get(client, "client.get_count", **member),
        "search": client.http.post(f"{web}/api/method/frappe.desk.search.search_link", json=search, timeout=60),
        "search past permissions": client.http.post(
            f"{web}/api/method/frappe.desk.search.search_link",
            json={**search, "ignore_user_permissions": 1},
            timeout=60,
        ),
    }
    for title, answer in answers.items():
        shown = answer.status_code == 200 and bool(answer.json().get("message"))
        assert shown is may_see, (title, answer.text[:300])
    link = get(client, "client.validate_link", doctype="Organization", docname=factory.BETA, fields=["status"])
    nowhere = get(client, "client.validate_link", doctype="Organization", docname="Test Nowhere", fields=["status"])
    if not may_see:
        assert tenants.plain(link, factory.BETA) == tenants.plain(nowhere, "Test Nowhere")
    document = client.http.get(f"{web}/api/resource/Organization/{factory.BETA}", timeout=60)
    assert (document.status_code == 200) is may_see


def test_an_organization_is_asked_for_by_its_name(web):
    with named.organization("Test Acme") as acme:
        client = Client(web).with_token(factory.user("anna", acme, org_role="Admin", roles=("Dartwing Admin",)))
        stranger = tenants.client_of("user", web)
        body = {"job_type": "echo_job", "organization": "Test Acme", "parameters": {"text": frappe.generate_hash()}}
        made = client.post("submit_job", **body).json()["message"]
        status = client.get("get_job_status", job_id=made["job_id"]).json()["message"]
        assert (status["organization"], status["organization_name"]) == (acme, "Test Acme")
        assert client.get("list_jobs", organization="Test Acme").json()["message"]["total"] == 1
        schedule = {"title": "x", "cron": "0 7 * * *", "time_zone": "UTC", "job_type": "echo_job"}
        answer = client.http.post(
            f"{web}/api/resource/Job Schedule", json={**schedule, "organization": "Test Acme"}, timeout=60
        )
        assert answer.json()["data"]["organization"] == acme, answer.text
        refused = []
        for asked in ("Test Acme", "Test Nowhere"):
            answers = [
                stranger.post("submit_job", **{**body, "organization": asked}),
                stranger.get("list_jobs", organization=asked),
                stranger.http.post(
                    f"{web}/api/resource/Job Schedule", json={**schedule, "organization": asked}, timeout=60
                ),
            ]
            refused.append([tenants.plain(answer, asked) for answer in answers])
        assert refused[0] == refused[1]
