"""The moves of a job (`job/record`), without a database: what is written, under which guard, and what is told."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest

from dartwing_core.jobs.errors import InvalidTransitionError
from dartwing_core.jobs.job import record
from dartwing_core.jobs.job.runs import Outcome
from dartwing_core.jobs.status import TRANSITIONS, JobStatus

NOW = datetime(2026, 1, 2, 3, 4, 5)


class Database:
    """Stands in for the database, and for those who are told."""

    def __init__(self) -> None:
        self.is_free = True
        self.updates: list[tuple[str, dict[str, Any], int | None]] = []
        self.history: list[Any] = []
        self.told: list[Any] = []

    def update(self, text: str, values: dict[str, Any], lock_wait: int | None) -> int:
        self.updates.append((text, values, lock_wait))
        return 1 if self.is_free else 0


@pytest.fixture
def database(monkeypatch) -> Database:
    made = Database()
    monkeypatch.setattr(record.sql, "execute_as_of_now", made.update)
    monkeypatch.setattr(record.sql, "this_connection", lambda: 7)
    monkeypatch.setattr(record.history, "write", lambda events: made.history.extend(events))
    monkeypatch.setattr(record.event_jobs, "rows_for", lambda *_given: [])  # reads hooks, of a site
    monkeypatch.setattr(record.events, "announce", lambda *given: made.told.append(given))
    monkeypatch.setattr(record.notices, "notify_after_commit", lambda *_given: None)
    monkeypatch.setattr(record.clock, "site_time", lambda _epoch=None: NOW)
    monkeypatch.setattr(record.content, "sealed", dict)
    monkeypatch.setattr(record.find, "lock_unchanged", lambda jobs: [job for job in jobs if not job.get("held")])
    return made


def row(status: JobStatus, name: str = "JOB-1", **more: Any) -> Any:
    own = {"name": name, "organization": "a", "status": str(status), "attempt": 2, "retry_count": 1, "priority": "High"}
    return {**own, "waits_for": None, **more}


def running(**more: Any) -> record.Job:
    return record.Job(row(JobStatus.RUNNING, **more))


def test_jobs_move_as_the_table_says_and_not_otherwise(database):
    for source, target in itertools.product(JobStatus, JobStatus):
        database.updates.clear()
        job, jobs = record.Job(row(source)), [row(source, name, held=name == "JOB-2") for name in ("JOB-1", "JOB-2")]
        if target in TRANSITIONS[source]:
            assert job._move(target, "why", {}, "me")
            assert job.row["status"] == target
            assert record._move_all(jobs, target, "why", {}, "me") == jobs[:1]
            assert database.updates[1][1]["of_names"] == "JOB-1", "the other is held"
        else:
            with pytest.raises(InvalidTransitionError, match=f"{source.value} to {target.value}"):
                job._move(target, "why", {}, "me")
            with pytest.raises(InvalidTransitionError, match=f"{source.value} to {target.value}"):
                record._move_all(jobs, target, "why", {}, "me")
            assert not database.updates


def test_the_row_must_be_in_the_state_and_at_the_attempt_that_the_reader_saw(database):
    assert running().end(Outcome(JobStatus.COMPLETED, "Done", result="1"), lock_wait=3)
    text, values, wait = database.updates[0]
    assert text.startswith("UPDATE `tabBackground Job` FORCE INDEX (PRIMARY) SET `status` = %(status)s, ")
    guards = " WHERE name = %(of_names)s AND status = %(from_status)s AND attempt = %(from_attempt)s"
    assert text.endswith(guards)
    assert (values["of_names"], values["from_status"], values["from_attempt"], wait) == ("JOB-1", "Running", 2, 3)
    written = {"status": "Completed", "in_line": 0, "completed_at": NOW, "modified_by": "Administrator", "result": "1"}
    assert values.items() >= {**written, "progress": 100, "error_message": None, "crash_count": 0}.items()


def test_who_comes_too_late_writes_and_tells_nothing_else(database):
    database.is_free = False
    job = running()
    assert job.end(Outcome(JobStatus.COMPLETED, "Done")) is False
    assert job.row["status"] == "Running"
    assert (database.history, database.told) == ([], [])
