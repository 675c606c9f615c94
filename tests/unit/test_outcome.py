"""What is stored of an ending never fails a job, however odd it is (regressions 41 and 49)."""

from __future__ import annotations

import json
from types import SimpleNamespace

import frappe

from dartwing_core.jobs import JobError, TransientError
from dartwing_core.jobs.run.outcome import describe, storable, traceback_of


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_what_can_not_be_stored_leaves_a_note():
    for result in ({1, 2}, b"x", object(), float("nan"), {"deep": [lambda: 0]}):
        assert "not_stored" in json.loads(storable(result, 1000))
    assert "larger than 10 bytes" in json.loads(storable("x" * 100, 10))["not_stored"]


def test_an_exception_whose_text_fails_is_described_by_its_name():
    assert describe(Unprintable()) == "Unprintable"
    assert "Unprintable" in traceback_of(Unprintable())


def test_own_errors_speak_for_themselves_others_are_named():
    assert describe(TransientError("The mailbox is full")) == "The mailbox is full"
    assert describe(JobError()) == "JobError"
    assert describe(KeyError("a")) == "KeyError: 'a'"
    assert len(describe(RuntimeError("x" * 100_000))) == 5_000


def test_a_refusal_without_a_text_has_the_reason_that_frappe_keeps(monkeypatch):
    # Seen failing: a dead letter whose whole text was "PermissionError".
    monkeypatch.setattr(frappe, "flags", SimpleNamespace(error_message="No <b>write</b> access"))
    assert describe(frappe.PermissionError()) == "PermissionError: No write access"
    assert describe(frappe.PermissionError("own")) == "PermissionError: own"
