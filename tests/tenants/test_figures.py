"""Figures count what an account sees: of our endpoints, of Desk's charts and reports."""

from __future__ import annotations

import json
from typing import Any

import frappe
import pytest
import requests

from tests.support.http import Client

from .world import ACCOUNTS, NO_LOGIN, TYPE, World

DESK = "dartwing_core.api.desk"
CHARTS = ("Completed Background Jobs by Hour", "Failed Background Jobs by Type", "Waiting Time of Background Jobs")
REPORTS = ("Job Type Performance", "Failed Jobs by Error")
DEAD, DONE = "Dead Letter", "Completed"
COUNTED = [name for name in ACCOUNTS if name not in (*NO_LOGIN, "manager")]


def ask(client: Client, function: str, /, **arguments: Any) -> requests.Response:
    """The answer of a function."""
    return client.http.post(f"{client.url}/api/method/{function}", json=arguments, timeout=60)


def visible(world: World, account: str) -> list[dict[str, Any]]:
    """The jobs that an account sees, by the rules as SECURITY.md has them."""
    kind, own = ACCOUNTS[account], world.of(account)["own"]
    if not kind.sees:
        return []
    only = {} if "mate" in kind.sees else {"owner_user": own.names["user"]}
    frappe.db.rollback()
    return frappe.get_all("Background Job", {"organization": kind.organization, **only}, ["status", "job_type"])


def number(jobs: list[dict[str, Any]], *statuses: str) -> int:
    """How many of these jobs have one of these states."""
    return sum(job["status"] in statuses for job in jobs)


@pytest.mark.parametrize("account", COUNTED)
def test_our_endpoints(clients, world, account):
    client, own, far = clients[account], world.of(account)["own"], world.of(account)["far"]
    for organization, jobs in ((own.organization, visible(world, account)), (far.organization, [])):
        asked = {"organization": organization}
        metrics = client.get("get_job_metrics", **asked).json()["message"]
        assert {status: n for status, n in metrics["job_count_by_status"].items() if n} == {
            status: number(jobs, status) for status in {job["status"] for job in jobs}
        }
        assert client.get("list_jobs", **asked).json()["message"]["total"] == len(jobs)
        assert client.get("get_job_counts", **asked).json()["message"]["dead_letter"] == number(jobs, DEAD)
        assert client.get("get_execution_time_stats", **asked).json()["message"]["count"] == number(jobs, DONE)
        slow = client.get("get_slowest_jobs", limit=100, **asked).json()["message"]["jobs"]
        assert bool(slow) is bool(jobs)
        assert len(slow) <= len(jobs)


@pytest.mark.parametrize("account", COUNTED)
def test_charts_and_reports(clients, world, account):
    client, jobs = clients[account], visible(world, account)
    charts = [ask(client, f"{DESK}.get_chart", chart_name=chart, filters="{}").json()["message"] for chart in CHARTS]
    assert sum(charts[1]["datasets"][0]["values"] if charts[1] else []) == number(jobs, DEAD)
    assert bool(charts[0]) is bool(number(jobs, DONE))
    for report in REPORTS:
        answer = ask(client, "frappe.desk.query_report.run", report_name=report, filters=json.dumps({"hours": 24}))
        assert (answer.status_code == 200) is ACCOUNTS[account].has_desk, answer.text[:300]
        if answer.status_code == 200:
            rows = [row for row in answer.json()["message"]["result"] if isinstance(row, dict)]
            column = "failed" if report == REPORTS[0] else "jobs"
            found = sum(row[column] for row in rows if row["job_type"] == TYPE)
            assert found == number([job for job in jobs if job["job_type"] == TYPE], DEAD)
