"""A Job Type names only registered handlers, and sensible numbers (regressions 8, show-stopper 2)."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import UnknownHandlerError
from dartwing_core.jobs.types import handlers
from tests.support import factory

HERE = factory.HANDLERS


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "frappe.db.sql",
        "dartwing_core.jobs.submit_job",
        f"{HERE}.not_registered",
        f"{HERE}.takes_two",
        f"{HERE}.missing",
        f"{HERE}.JobContext",
        f"{HERE}.JobContext.log",
        "__import__('os').system",
        "nodots",
    ],
)
def test_a_function_that_is_not_registered_is_refused(path):
    with pytest.raises(UnknownHandlerError):
        factory.job_type("bad", handler=path if "." in path else f"x.{path}")


def test_nothing_outside_apps_and_registry_is_even_imported():
    import sys

    assert "this" not in sys.modules
    with pytest.raises(UnknownHandlerError):
        handlers.resolve("this.s")
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("default_timeout", 86_401),
        ("max_retries", -1),
        ("rate_limit", 10_001),
        ("circuit_breaker_failure_threshold", 1.5),
        ("retry_delays", "-1"),
        ("queue", "nowhere"),
        ("requires_permission", "No Such Thing:read"),
    ],
)
def test_values_out_of_range_are_refused(field, value):
    with pytest.raises(frappe.ValidationError):
        factory.job_type("bad", **{field: value})


def test_only_managers_may_write_types(alice):
    frappe.set_user(alice)
    values = {"doctype": "Job Type", "type_name": "test_mine", "handler_method": f"{HERE}.nothing"}
    with pytest.raises(frappe.PermissionError):
        frappe.get_doc(values).insert()
