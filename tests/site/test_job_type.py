"""A Job Type names only registered handlers, and sensible numbers (regressions 8, show-stopper 2)."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import UnknownHandlerError, job_handler
from dartwing_core.jobs.types import handlers
from dartwing_core.jobs.types.declaration import mark_of
from tests.support import factory

HERE = factory.HANDLERS


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "subprocess.run",
        "frappe.db.sql",
        "frappe.utils.background_jobs.test_job",
        "dartwing_core.jobs.submit_job",
        f"{HERE}.not_registered",
        f"{HERE}.takes_two",
        f"{HERE}.missing",
        f"{HERE}.threading",
        f"{HERE}.JobContext",
        "dartwing_core.handlers.nowhere.job",
        "__import__('os').system",
        "nodots",
        "a..b",
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


def test_the_decorator_refuses_a_wrong_signature():
    for function in (lambda: None, lambda a, b: None, len):
        with pytest.raises(TypeError):
            job_handler(function)

    @job_handler
    def fine(context, option=1):
        return None

    assert mark_of(fine)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("default_timeout", 0),
        ("default_timeout", 86_401),
        ("max_retries", -1),
        ("max_retries", 11),
        ("deduplication_window", -1),
        ("rate_limit", 10_001),
        ("rate_limit_window", 0),
        ("circuit_breaker_failure_threshold", 1.5),
        ("retry_delays", "soon"),
        ("retry_delays", "-1"),
        ("queue", "nowhere"),
        ("requires_permission", "No Such Thing"),
        ("requires_permission", "No Such Thing:read"),
    ],
)
def test_values_out_of_range_are_refused(field, value):
    with pytest.raises(frappe.ValidationError):
        factory.job_type("bad", **{field: value})


@pytest.mark.parametrize("permission", ["ToDo", "ToDo:", "ToDo:write", "ToDo : share", "System Manager", ""])
def test_a_permission_that_there_is_may_be_required(permission):
    assert factory.job_type("guarded", requires_permission=permission)


def test_only_managers_may_write_types(alice):
    frappe.set_user(alice)
    values = {"doctype": "Job Type", "type_name": "test_mine", "handler_method": f"{HERE}.nothing"}
    with pytest.raises(frappe.PermissionError):
        frappe.get_doc(values).insert()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "An empty name is not a dotted path: write it like your_app.jobs.send_statement."),
        ("send", "send is not a dotted path"),
        ("not_there.jobs.send", "the app not_there is not installed. Install it, or name not_there.jobs"),
        (
            "dartwing_core.no_module.send",
            "can't be found. Check its name. AttributeError: module 'dartwing_core' has no attribute",
        ),
        ("dartwing_core.handlers.samples.no_function", "has no attribute 'no_function'"),
        ("dartwing_core.install.sync_types", "install.sync_types is not a registered job handler: decorate it"),
    ],
)
def test_each_wrong_handler_is_told_what_is_wrong_and_what_to_do(path, text):
    with pytest.raises(UnknownHandlerError) as told:
        handlers.resolve(path)
    assert text in str(told.value)
