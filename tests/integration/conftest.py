"""What many tests of a site in one process begin with."""

from __future__ import annotations

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
    from dartwing_core.jobs.recovery import sweeper

    monkeypatch.setattr(sweeper, "sweep_now_and_then", lambda: None)
