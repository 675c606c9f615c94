"""Settings with their defaults, and facts of a site that are kept for a moment."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import frappe
import pytest

import dartwing_core
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.lib.config import Settings

DOCTYPE = "dartwing_core/doctype/job_engine_settings/job_engine_settings.json"


def test_the_defaults_are_those_of_the_doctype():
    fields = json.loads((Path(dartwing_core.__file__).parent / DOCTYPE).read_text())["fields"]
    numbers = {field["fieldname"]: int(field.get("default", 0)) for field in fields if field["fieldtype"] == "Int"}
    assert {name: getattr(Settings(), name) for name in numbers} == numbers
    others = {field["fieldname"] for field in fields if field["fieldtype"] in ("Check", "Data", "Small Text", "Link")}
    assert Settings.__dataclass_fields__.keys() - numbers.keys() == others - {"raised_alerts"}


@pytest.mark.parametrize("unset", [None, "", 0, "0"])
def test_an_empty_number_is_its_default_but_a_slice_of_no_time_is_meant(unset):
    found = Settings.of({"lease_seconds": unset, "slice_seconds": unset, "is_paused": "1", "paused_queues": None})
    assert found.lease_seconds == 20
    assert found.slice_seconds == (5 if unset in (None, "") else 0)
    assert (found.is_paused, found.paused_queues) == (1, "")


def test_what_a_hook_says_is_soon_read_again(monkeypatch):
    reads: list[str] = []
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(config, "time", clock)
    monkeypatch.setattr(config, "_facts", {})
    monkeypatch.setattr(frappe, "get_hooks", lambda name: reads.append(name) or [])
    monkeypatch.setattr(frappe, "local", SimpleNamespace(site="one"))
    for _read in range(2):
        config.hook("a")
        config.hook("b")
    assert reads == ["a", "b"]
    frappe.local.site = "two"
    config.hook("a")
    assert reads == ["a", "b", "a"], "another site's"
    clock.now += 10
    config.hook("a")
    assert reads == ["a", "b", "a", "a"]
