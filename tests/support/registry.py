"""Modules of tests in the registry of handlers, with the Job Types that they declare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import frappe
import pytest

from dartwing_core.jobs.types import declared_types
from dartwing_core.jobs.types.functions import HANDLERS_HOOK as HOOK

from . import factory


@contextmanager
def types_of(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The Job Types that a module declares are made; they are removed afterwards."""
    named = [*(frappe.conf.get(HOOK) or []), module.__name__]
    monkeypatch.setitem(frappe.conf, HOOK, named)
    before = frappe.get_all("Job Type", pluck="name")
    declared_types.sync_types()
    made = frappe.get_all("Job Type", {"name": ["not in", before]}, pluck="name")
    frappe.db.commit()
    yield
    factory.wipe()
    for name in made:
        frappe.delete_doc("Job Type", name, force=True)
    frappe.db.commit()
