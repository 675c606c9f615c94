"""The guards of a status change (`job_store.transition`, `move_all`), without a database."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dartwing_core.jobs.errors import InvalidTransitionError
from dartwing_core.jobs.job import job_store, new_rows
from dartwing_core.jobs.status import TRANSITIONS, JobStatus

MOVES = [(source, target) for source in JobStatus for target in JobStatus]


@pytest.fixture
def written(monkeypatch) -> list[tuple[str, Any]]:
    """What is written and announced, in its order; `is_free` of the fixture's module says whether rows change."""
    calls: list[tuple[str, Any]] = []

    def update(names, *given, **guards):
        calls.append(("update", (names, *given, guards)))
        return len(names) if free[0] else 0

    monkeypatch.setattr(job_store, "guarded_update", update)
    monkeypatch.setattr(job_store, "lock_unchanged", lambda jobs, status: [job for job in jobs if not job.get("held")])
    monkeypatch.setattr(job_store.events, "announce", lambda *given: calls.append(("announce", given)))
    monkeypatch.setattr(job_store.job_owner, "notify_after_commit", lambda *given: calls.append(("note", given)))
    monkeypatch.setattr(new_rows.inserts, "insert_rows", lambda *given: calls.append(("insert", given[2])))
    monkeypatch.setattr(job_store, "frappe", SimpleNamespace(db=SimpleNamespace(savepoint=lambda _name: None)))
    monkeypatch.setattr(job_store.event_jobs, "rows_for", lambda *_given: [])  # reads hooks, of a site
    monkeypatch.setattr(job_store.history, "write", lambda rows: calls.append(("history", rows)))
    monkeypatch.setattr(job_store.history, "event_of", lambda *given, **more: (*given, more))
    free[0] = True
    return calls


free = [True]


def job(status: JobStatus, name: str = "JOB-1", **more: Any) -> dict[str, Any]:
    return {"name": name, "organization": "a", "status": str(status), "attempt": 2, "retry_count": 1, **more}


@pytest.mark.parametrize(("source", "target"), MOVES)
def test_a_job_moves_as_the_table_says_and_not_otherwise(written, source, target):
    if target in TRANSITIONS[source]:
        assert job_store.transition(job(source), target, "why", actor="me") is True
        assert [what for what, _given in written] == ["update", "announce", "note", "history"]
    else:
        with pytest.raises(InvalidTransitionError, match=f"{source.value} to {target.value}"):
            job_store.transition(job(source), target, "why", actor="me")
        assert not written


@pytest.mark.parametrize(("source", "target"), MOVES)
def test_many_jobs_move_as_the_table_says_and_not_otherwise(written, source, target):
    jobs = [job(source, "JOB-1"), job(source, "JOB-2", held=True), job(source, "JOB-3")]
    if target in TRANSITIONS[source]:
        assert job_store.move_all(jobs, target, "why", {"priority": "High"}, "me") == [jobs[0], jobs[2]]
        assert [what for what, _given in written] == ["update", "announce", "note", "note", "history"]
    else:
        with pytest.raises(InvalidTransitionError, match=f"{source.value} to {target.value}"):
            job_store.move_all(jobs, target, "why", {}, "me")
        assert not written


def test_the_row_must_be_in_the_state_and_at_the_attempt_that_the_caller_saw(written):
    settings = {"lock_wait": 3, "unless_locked": "a lock"}
    found = job(JobStatus.RUNNING)
    assert job_store.transition(found, JobStatus.COMPLETED, "Done", values={"result": "1"}, actor="me", **settings)
    guards = {"attempt": 2, **settings}
    assert written[0] == ("update", (["JOB-1"], "Running", "Completed", {"result": "1"}, "me", guards))
    assert written[1] == ("announce", ([found], "Running", "Completed", {"result": "1"}))
    assert written[2] == ("note", (found, "Completed"))


def test_who_came_too_late_writes_nothing_else(written):
    free[0] = False
    assert job_store.transition(job(JobStatus.RUNNING), JobStatus.COMPLETED, "Done", actor="me") is False
    assert [what for what, _given in written] == ["update"]


def test_nobody_moves_if_all_are_held_or_none_is_given(written):
    held = [job(JobStatus.PENDING, held=True)]
    assert job_store.move_all(held, JobStatus.QUEUED, "why", {}, "me") == []
    assert job_store.move_all([], JobStatus.QUEUED, "why", {}, "me") == []
    assert not written


def test_the_history_says_who_moved_it_when_and_how_often_it_was_tried(written):
    found = job(JobStatus.RUNNING)
    more = {"duration": 1.5, "worker": "w"}
    job_store.transition(found, JobStatus.FAILED, "Failed", values={"retry_count": 2}, actor="me", **more)
    (event,) = written[-1][1]
    assert event == (found, "Running", "Failed", "Failed", "me", {"retry_attempt": 2, **more})
    job_store.transition(found, JobStatus.FAILED, "Failed", actor="me")
    (event,) = written[-1][1]
    assert event[-1] == {"retry_attempt": 1, "duration": 0, "worker": None}


def test_the_history_of_many_shows_them_as_they_are_now(written):
    job_store.move_all([job(JobStatus.PENDING)], JobStatus.QUEUED, "why", {"retry_count": 7}, "me")
    (event,) = written[-1][1]
    assert event == (job(JobStatus.PENDING), "Pending", "Queued", "why", "me", {"retry_attempt": 7})
    assert written[0] == ("update", (["JOB-1"], "Pending", "Queued", {"retry_count": 7}, "me", {}))


def test_the_caller_may_take_the_history_to_write_it_later(written):
    log: list = []
    assert job_store.transition(job(JobStatus.RUNNING), JobStatus.COMPLETED, "Done", actor="me", log=log)
    assert len(log) == 1
    assert "history" not in [what for what, _given in written]


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
def test_new_rows_are_cut_into_statements_of_what_a_server_takes(monkeypatch, written, sizes, expected):
    monkeypatch.setattr(new_rows, "INSERT_BYTES", 3_000)
    plain = {"owner": "me", "status": "Pending", "reference_doctype": None}
    rows = [{"name": number, "sealed_input_parameters": "x" * size, **plain} for number, size in enumerate(sizes)]
    job_store.insert_jobs(rows)
    assert [[row[0] for row in batch] for what, batch in written if what == "insert"] == expected


def test_a_new_job_is_created_pending_and_in_line_in_the_same_moment(written):
    row = {"name": "JOB-1", "owner": "me", "status": "Queued", "sealed_input_parameters": "", "reference_doctype": None}
    waiting = {**row, "status": "Pending"}
    job_store.insert_jobs([row, waiting])
    pending, in_line = (
        (row, None, "Pending", "Job created", "me", {}),
        (row, "Pending", "Queued", "Job enqueued", "me", {}),
    )
    history = [pending, in_line, (waiting, None, "Pending", "Job created", "me", {})]
    assert written[1:] == [("history", history), ("announce", ([row], "Pending", "Queued", {}))]
