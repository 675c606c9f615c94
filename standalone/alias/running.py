"""What runs in a site under Frappe's names: background jobs, scheduler, web requests, templates, exceptions, tests."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

import monoframe
import monoframe.exceptions
from monoframe import app, tests
from monoframe.tests import compat
from monoframe.tests import utils as test_utils
from monoframe.utils import background_jobs, safe_exec, scheduler

from .site import get_bench_path, get_sites

_enqueue_events = scheduler.enqueue_events  # the fork defines two: the loop calls the other, without a connection
_init_request = app.init_request
_get_safe_globals = safe_exec.get_safe_globals


def enqueue_events() -> list[str] | None:
    """Inside a site: enqueue what is due, as in Frappe. Outside (the loop's call): do that for the site."""
    if getattr(monoframe.local, "initialised", False):
        return _enqueue_events()
    with contextlib.suppress(Exception):  # it reports a failure with a connection that may never have been made
        scheduler.enqueue_events_for_site()
    return None


def init_request(request: Any) -> None:
    """Take Frappe's CSRF header, which the fork renamed."""
    if token := request.headers.get("X-Frappe-CSRF-Token"):
        request.environ["HTTP_X_MONOFRAME_CSRF_TOKEN"] = token
    _init_request(request)


def get_safe_globals() -> Any:
    """The globals of templates and server scripts. In the fork they see it as `monoframe` only."""
    names = _get_safe_globals()
    names["frappe"] = names["monoframe"]
    return names


def apply() -> None:
    scheduler.enqueue_events = enqueue_events
    # Both were imported by name before they were restored.
    scheduler.get_bench_path = get_bench_path
    background_jobs.get_sites = get_sites
    safe_exec.get_safe_globals = get_safe_globals
    app.init_request = init_request
    importlib.import_module("frappe.exceptions")
    # Tracebacks and RQ's records say frappe.exceptions.ValidationError, and unpickle as that.
    for value in vars(monoframe.exceptions).values():
        if isinstance(value, type) and value.__module__ == "monoframe.exceptions":
            value.__module__ = "frappe.exceptions"
    # FrappeTestCase is Frappe 15's, the other two 16's; all of them by both ways of importing them.
    for module in (tests, test_utils, compat):
        module.FrappeTestCase = compat.MonoframeTestCase
        module.IntegrationTestCase = compat.IntegrationTestCase
        module.UnitTestCase = compat.UnitTestCase
