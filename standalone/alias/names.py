"""Frappe's names where the fork shows its own: exceptions in tracebacks, and the classes for tests."""

from __future__ import annotations

import importlib

import monoframe.exceptions
from monoframe import tests
from monoframe.tests import compat, utils


def apply() -> None:
    importlib.import_module("frappe")
    importlib.import_module("frappe.exceptions")
    # Tracebacks and RQ's records say frappe.exceptions.ValidationError, and unpickle as that.
    for value in vars(monoframe.exceptions).values():
        if isinstance(value, type) and value.__module__ == "monoframe.exceptions":
            value.__module__ = "frappe.exceptions"
    # FrappeTestCase is Frappe 15's, the other two 16's; all of them by both ways of importing them.
    for module in (tests, utils, compat):
        module.FrappeTestCase = compat.MonoframeTestCase
        module.IntegrationTestCase = compat.IntegrationTestCase
        module.UnitTestCase = compat.UnitTestCase
