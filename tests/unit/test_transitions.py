"""The moves of a job (`job/record`), without a database: what is written, under which guard, and what is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from dartwing_core.jobs.errors import InvalidTransitionError
from dartwing_core.jobs.job import record
from dartwing_core.jobs.job.runs import Outcome
from dartwing_core.jobs.status import TRANSITIONS, JobStatus

MOVES = [(source, target) for source in JobStatus for target in JobStatus]
NOW = datetime(2026, 1, 2, 3, 4, 5)


class Database:
    """Stands in for the database, and for those who are told."""

    def __init__(self) -> None:
        self.is_free = True
        self.updates: list[tuple[str, dict[str, Any], int | None]] = []
        self.inserts: list[list[Any]] = []
        self.history: list[Any] = []
        self.told: list[Any] = []
        self.noticed: list[Any] = []
        self.rung: list[Any] = []

    def update(self, text: str, values: dict[str, Any], lock_wait: int | None) -> int:
        self.updates.append((text, values, lock_wait))
        return 1 if self.is_free else 0


@pytest.fixture
def database(monkeypatch) -> Database:
    made = Database()
    monkeypatch.setattr(record.sql, "execute_as_of_now", made.update)
    monkeypatch.setattr(record.sql, "this_connection", lambda: 7)
    monkeypatch.setattr(record.dml, "insert_rows", lambda _doctype, rows: made.inserts.append(rows))
    monkeypatch.setattr(record.history, "write", lambda events: made.history.extend(events))
    monkeypatch.setattr(record.event_jobs, "rows_for", lambda *_given: [])  # reads hooks, of a site
    monkeypatch.setattr(record.doorbells, "ring_after_commit", made.rung.extend)
    monkeypatch.setattr(record.events, "announce", lambda *given, **_more: made.told.append(given))
    monkeypatch.setattr(record.notices, "notify_after_commit", lambda *given: made.noticed.append(given))
    monkeypatch.setattr(record.clock, "site_time", lambda _epoch=None: NOW)
    monkeypatch.setattr(record.content, "sealed", dict)
    monkeypatch.setattr(record.find, "lock_unchanged", lambda jobs: [job for job in jobs if not job.get("held")])
    return made


def row(status: JobStatus, name: str = "JOB-1", **more: Any) -> Any:
    own = {"name": name, "organization": "a", "status": str(status), "attempt": 2, "retry_count": 1, "max_retries": 3}
    return {**own, "priority": "High", "waits_for": None, **more}


def running(**more: Any) -> record.Job:
    return record.Job(row(JobStatus.RUNNING, **more))


@pytest.mark.parametrize(("source", "target"), MOVES)
def test_a_job_moves_as_the_table_says_and_not_otherwise(database, source, target):
    job = record.Job(row(source))
    if target in TRANSITIONS[source]:
        assert job._move(target, "why", {}, "me")
        assert job.row["status"] == target
        assert (len(database.updates), len(database.history)) == (1, 1)
        assert len(database.told) == (target != JobStatus.RUNNING), "an attempt tells of its start itself"
        assert [to_status for _job, to_status, _job_type in database.noticed] == [target]
        assert len(database.rung) == (target == JobStatus.QUEUED)
    else:
        with pytest.raises(InvalidTransitionError, match=f"{source.value} to {target.value}"):
            job._move(target, "why", {}, "me")
        assert not database.updates


@pytest.mark.parametrize(("source", "target"), MOVES)
def test_many_jobs_move_as_the_table_says_and_not_otherwise(database, source, target):
    jobs = [row(source, "JOB-1"), row(source, "JOB-2", held=True), row(source, "JOB-3")]
    if target in TRANSITIONS[source]:
        assert record._move_all(jobs, target, "why", {"retry_count": 7}, "me") == [jobs[0], jobs[2]]
        text, values, _wait = database.updates[0]
        assert "name IN %(of_names)s" in text
        assert values["of_names"] == ("JOB-1", "JOB-3")
        assert [(event["background_job"], event["retry_attempt"]) for event in database.history] == [
            ("JOB-1", 7),
            ("JOB-3", 7),
        ]
    else:
        with pytest.raises(InvalidTransitionError, match=f"{source.value} to {target.value}"):
            record._move_all(jobs, target, "why", {}, "me")
        assert not database.updates


def test_the_row_must_be_in_the_state_and_at_the_attempt_that_the_reader_saw(database):
    assert running().end(Outcome(JobStatus.COMPLETED, "Done", result="1"), lock_wait=3)
    text, values, wait = database.updates[0]
    assert text.startswith("UPDATE `tabBackground Job` FORCE INDEX (PRIMARY) SET `status` = %(status)s, ")
    guards = "name IN %(of_names)s AND status = %(from_status)s AND COALESCE(%(from_attempt)s, attempt) = attempt"
    assert text.endswith(f" WHERE {guards}")
    assert (values["of_names"], values["from_status"], values["from_attempt"], wait) == (("JOB-1",), "Running", 2, 3)
    written = {"status": "Completed", "in_line": 0, "completed_at": NOW, "modified_by": "Administrator", "result": "1"}
    assert values.items() >= {**written, "progress": 100, "error_message": None, "crash_count": 0}.items()


def test_who_comes_too_late_writes_and_tells_nothing_else(database):
    database.is_free = False
    job = running()
    assert job.end(Outcome(JobStatus.COMPLETED, "Done")) is None
    assert job.row["status"] == "Running"
    assert (database.history, database.told) == ([], [])


def test_none_moves_if_all_are_held_or_none_is_given(database):
    assert record.cancel_all([row(JobStatus.PENDING, held=True)], "me", None) == []
    assert record.cancel_all([], "me", None) == []
    assert record.retry_all([], None) == []
    assert not database.updates


def test_the_history_says_who_moved_it_when_and_how_often_it_was_tried(database):
    failed = Outcome(JobStatus.FAILED, "Failed", error="no", error_type="Transient", due=5.0, retry_count=2)
    event = running().end(failed, duration=1.5, worker="w")
    assert event
    assert not database.history, "the caller writes it"
    assert (event["from_status"], event["to_status"], event["message"], event["actor"]) == (
        *("Running", "Failed", "Failed", "Administrator"),
    )
    assert (event["retry_attempt"], event["duration"], event["worker"]) == (2, 1.5, "w")
    values = database.updates[0][1]
    assert values["next_retry_at"] == values["available_at"] == NOW
    assert (values["due_epoch"], values["admission_rank"], values["retry_count"]) == (5.0, 5.0 - 3_600, 2)
    assert values["crash_count"] == 0, "an ending in between counts no crash in a row"
    assert "completed_at" not in values


def test_a_job_that_is_not_to_blame_keeps_its_place_in_line(database):
    lost = Outcome(
        JobStatus.FAILED, "Lost", error="lost", error_type="Transient", due=5.0, keeps_place=True, crash_count=1
    )
    running().end(lost)
    values = database.updates[0][1]
    assert "admission_rank" not in values
    assert "retry_count" not in values
    assert values["crash_count"] == 1
    running().end(Outcome(JobStatus.PENDING, "Snoozed", due=5.0))
    values = database.updates[1][1]
    assert "next_retry_at" not in values
    assert "error_message" not in values


def test_a_dead_letter_is_over_and_not_tried_again(database):
    running().end(Outcome(JobStatus.DEAD_LETTER, "Dead", error="no", error_type="Permanent"))
    values = database.updates[0][1]
    assert (values["completed_at"], values["next_retry_at"], values["error_type"]) == (NOW, None, "Permanent")


@pytest.mark.parametrize(("message", "stored"), [("half", "half"), ("", None)])
def test_a_canceled_job_says_by_whom_and_how_far_it_came(database, message, stored):
    canceled = Outcome(JobStatus.CANCELED, "Canceled", canceled_by="me", cancel_reason="enough")
    running().end(canceled, progress=(50.0, message))
    values = database.updates[0][1]
    assert (values["progress"], values["progress_message"]) == (50.0, stored)
    assert (values["modified_by"], values["canceled_by"], values["cancel_reason"]) == ("me", "me", "enough")
    assert (values["canceled_at"], values["completed_at"]) == (NOW, NOW)


def test_a_start_counts_the_attempt_and_names_its_connection(database):
    job = record.Job(row(JobStatus.QUEUED, attempt=3))
    started = job.start("entry", NOW, "w")
    text, values, _wait = database.updates[0]
    assert "started_epoch = UNIX_TIMESTAMP()" in text
    assert (values["attempt"], values["from_attempt"], values["connection_id"], values["rq_job_id"]) == (
        4,
        3,
        7,
        "entry",
    )
    assert values.items() >= {"progress": 0, "progress_message": None}.items()
    assert (job.row["attempt"], job.row["started_at"]) == (4, NOW)
    assert started
    assert started["message"] == "Worker started execution, attempt 2 of 4"
    assert not database.history, "the caller writes it"


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([500, 500], [[0, 1]]),  # 3,000 bytes, each row counted with 1,000 more
        ([500, 501], [[0], [1]]),
        ([5_000, 10], [[0], [1]]),  # a row of its own, however large
        ([1_500, 500, 600, 10], [[0], [1], [2, 3]]),  # counted anew after each cut
    ],
)
def test_new_rows_are_cut_into_statements_of_what_a_server_takes(monkeypatch, database, sizes, expected):
    monkeypatch.setattr(record, "INSERT_BYTES", 3_000)
    plain = {"organization": "a", "retry_count": 0, "owner": "me", "status": "Pending", "reference_doctype": None}
    rows: Any = [{"name": number, "sealed_input_parameters": "x" * size, **plain} for number, size in enumerate(sizes)]
    record.insert(rows)
    assert [[one["name"] for one in batch] for batch in database.inserts] == expected


def test_a_new_job_is_created_pending_and_in_line_in_the_same_moment(database):
    new = {"sealed_input_parameters": "", "reference_doctype": None, "owner": "me"}
    rows = [row(JobStatus.QUEUED, **new), row(JobStatus.PENDING, "JOB-2", **new)]
    record.insert(rows)
    made = [
        (event["background_job"], event["from_status"], event["to_status"], event["message"])
        for event in database.history
    ]
    assert sorted(made, key=lambda event: event[0]) == [
        ("JOB-1", None, "Pending", "Job created"),
        ("JOB-1", "Pending", "Queued", "Job enqueued"),
        ("JOB-2", None, "Pending", "Job created"),
    ]
    assert database.told == [(rows[:1], "Pending", "Queued", {})]
    assert database.rung == rows[:1]


def test_workers_are_not_woken_for_a_new_job_that_may_not_start(database):
    record.insert([row(JobStatus.QUEUED, sealed_input_parameters="", reference_doctype=None, owner="me")], ["JOB-1"])
    assert database.rung == []
