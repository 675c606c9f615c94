"""The functions that a decorator names for a handler's time limit and for its dead letters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dartwing_core.jobs import JobContext, get_job_status
from dartwing_core.jobs.testing import run_jobs
from tests.support import ending_handlers as own
from tests.support import factory
from tests.support.registry import types_of
from tests.support.sessions import committed

pytestmark = pytest.mark.usefixtures("no_sweeps")


@pytest.fixture(autouse=True)
def _types(site, monkeypatch) -> Iterator[None]:
    own.HEARD.clear()
    own.CLEANED.clear()
    with types_of(own, monkeypatch):
        yield


def ended(**parameters) -> tuple[str, dict]:
    job = committed(own.send_statement.submit, factory.ALPHA, **parameters)
    run_jobs()
    return job.name, get_job_status(job.name)


def test_one_hears_of_a_dead_letter_and_of_nothing_else():
    # Seen failing: when the decorator did not register the function.
    ended(customer="Ann")
    assert own.HEARD == []
    name, done = ended(customer="Bea", then="fail")
    told = {"job_id": name, "job_type": "test_statement", "organization": done["organization"]}
    told |= {"owner_user": "Administrator", "user": "Administrator"}
    assert [("dead_letter", told)] == own.HEARD


def test_one_cleans_up_after_the_time_limit_with_the_jobs_parameters(monkeypatch):
    # Seen failing: when it was called with the context alone.
    monkeypatch.setattr(JobContext, "remaining_seconds", lambda _self: 0.0)
    name, done = ended(customer="Ann")
    assert done["status"] == "Dead Letter"
    assert [f"{name} Ann end"] == own.CLEANED
