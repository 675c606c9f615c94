"""What the form of a Job Type is told: figures of one's own jobs, and what the dialog to run one is made of."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs import get_job_type_overview, list_job_types
from dartwing_core.jobs.errors import InvalidJobError
from tests.support import factory
from tests.support.jobs import run, submitted_by, submitted_for
from tests.support.sessions import as_user

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}


def overview(user: str, job_type: str) -> dict:
    return as_user(user, get_job_type_overview, job_type)


def test_figures_and_recent_jobs_are_those_that_one_may_see(alice, bob):
    kind = factory.job_type("note", "add_note")
    run(submitted_by(alice, kind, title="test good"))
    run(submitted_by(alice, kind, title="test bad", then="fail_for_good"))
    waiting = submitted_by(alice, kind, title="test waiting")
    submitted_for(bob, factory.BETA, kind, title="test foreign")
    found = overview(alice, kind)
    figures = {name: found["figures"][name] for name in ("running", "waiting", "dead_letter", "count", "failure_rate")}
    assert figures == {"running": 0, "waiting": 1, "dead_letter": 1, "count": 2, "failure_rate": 0.5}
    assert found["figures"]["p95_seconds"] is not None
    assert found["recent"][0]["job_id"] == waiting.name
    assert len(found["recent"]) == 3
    assert overview(bob, kind)["figures"]["waiting"] == 1


def test_who_may_run_and_change_is_said(alice):
    kind = factory.job_type("plain", requires_permission="System Manager")
    assert (
        overview(alice, kind)["can_run"],
        overview(alice, kind)["can_change"],
    ) == (False, False)
    assert (
        overview("Administrator", kind)["can_run"],
        overview("Administrator", kind)["can_change"],
    ) == (True, True)
    disabled = factory.job_type("disabled", is_enabled=0)
    assert not overview("Administrator", disabled)["can_run"]


def test_the_schema_is_the_types_else_its_handlers(alice):
    assert overview(alice, factory.job_type("plain"))["schema"] is None
    assert overview(alice, factory.job_type("own", parameters_schema=json.dumps(SCHEMA)))["schema"] == SCHEMA


@pytest.mark.parametrize("schema", ["[1]", '{"properties": []}', '{"properties": {"a": 1}}', "{"])
def test_what_is_no_schema_of_an_object_is_refused(schema):
    with pytest.raises(frappe.ValidationError):
        factory.job_type("odd", parameters_schema=schema)


@pytest.mark.parametrize("name", ["", None, "nowhere", 5])
def test_an_unknown_type_is_said(name):
    with pytest.raises(InvalidJobError):
        get_job_type_overview(name)


# The types that one may submit ------------------------------------------------------------------------------------


def submittable(user: str, organization: str = factory.ALPHA) -> dict[str, dict]:
    found = as_user(user, list_job_types, organization)["job_types"]
    return {one["job_type"]: one for one in found}


def test_a_member_is_told_the_types_that_they_may_submit(alice):
    kind = factory.job_type("typed", f"{factory.TYPED}.by_arguments", default_priority="High", max_retries=2)
    factory.job_type("off", is_enabled=0)
    factory.job_type("for_managers", requires_permission="System Manager")
    gone = factory.job_type("gone")
    frappe.db.set_value("Job Type", gone, "handler_method", "tests.support.handlers.not_registered")
    frappe.clear_document_cache("Job Type", gone)
    found = submittable(alice)
    assert found[kind]["schema"]["required"] == ["customer", "until"]
    figures = {name: found[kind][name] for name in ("priority", "timeout_seconds", "max_retries", "is_paused")}
    assert figures == {"priority": "High", "timeout_seconds": 300, "max_retries": 2, "is_paused": False}
    assert found["echo_job"]["schema"] is None
    assert found.keys().isdisjoint({"test_off", "test_for_managers", "test_gone"})
    assert "test_for_managers" in submittable("Administrator")


def test_nobody_else_is_told_them(alice, bob):
    with pytest.raises(frappe.PermissionError, match="not a member"):
        submittable(bob)
    with pytest.raises(frappe.PermissionError, match="not a member"):
        submittable(alice, "no such organization")
    with pytest.raises(InvalidJobError, match="Choose an organization"):
        submittable(alice, "")
