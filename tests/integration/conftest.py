"""What many tests of a site in one process begin with."""

from __future__ import annotations

from typing import Any

import frappe
import pytest

from tests.support import factory


@pytest.fixture
def job_type(site) -> str:
    """A Job Type whose handler does next to nothing."""
    name = factory.job_type("plain")
    frappe.db.commit()
    return name


@pytest.fixture
def no_sweep_in_between(site, monkeypatch) -> None:
    """Nobody sweeps between two jobs; a submit still does (see `no_sweeps`)."""
    from dartwing_core.jobs.sweep import sweeper

    monkeypatch.setattr(sweeper, "sweep_now_and_then", lambda: None)


@pytest.fixture
def frappes_jobs_at_once(monkeypatch) -> None:
    """What Frappe enqueues runs at once, such as the deletion of the comments of a deleted document."""
    monkeypatch.setattr(frappe, "enqueue", run_now)


def run_now(method: str, enqueue_after_commit: bool = False, now: bool = False, **arguments: Any) -> None:
    frappe.call(method, **arguments)
