"""Times of jobs: of all, and of each type."""

from __future__ import annotations

from datetime import timedelta

import frappe

from dartwing_core.jobs import get_metrics
from dartwing_core.jobs.lib import clock
from tests.support import factory
from tests.support.jobs import set_columns, submitted


def lasted(job_type: str, *seconds: float) -> None:
    """Completed jobs of a type that took so long."""
    now = clock.site_time()
    for number in seconds:
        job = submitted(job_type, seconds=number)
        ended = {"started_at": now, "completed_at": now + timedelta(seconds=number)}
        set_columns(job, status="Completed", in_line=0, **ended)


def test_times_of_all_jobs_and_of_each_type(site):
    # Seen failing: only the average was there for a type.
    fast, slow, none = (factory.job_type(name) for name in ("fast", "slow", "none"))
    frappe.db.commit()
    lasted(fast, *range(1, 20), 100)
    lasted(slow, 30, 50)
    submitted(none)
    found = get_metrics(factory.ALPHA)
    assert found["processing_time"] == {"average_seconds": round((190 + 100 + 80) / 22, 3), "p95_seconds": 50}
    assert found["processing_time_by_type"] == {fast: 14.5, slow: 40, none: None}
    assert found["p95_seconds_by_type"] == {fast: 19, slow: 50, none: None}


def test_without_jobs_there_are_no_times(site):
    found = get_metrics(factory.ALPHA)
    assert found["processing_time"] == {"average_seconds": None, "p95_seconds": None}
    assert found["processing_time_by_type"] == found["p95_seconds_by_type"] == {}
