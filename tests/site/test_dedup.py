"""Which equal job a submit or a retry believes in, and what a refused submit leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.jobs import DuplicateJobError, retry_job, retry_jobs, submit_job, submit_jobs
from dartwing_core.jobs.errors import JobBusyError, JobChangedError, QueueFullError
from dartwing_core.jobs.job import dependencies, find, history, record, runs
from dartwing_core.jobs.lib import ids, server_errors
from dartwing_core.jobs.read import visible_jobs
from tests.support import contents, database, factory
from tests.support.jobs import run, status, submitted_by
from tests.support.sessions import as_user


@pytest.fixture
def once() -> str:
    """A Job Type that deduplicates."""
    return factory.job_type("once", deduplication_window=300)


def submitted(user: str, job_type: str, month: int = 1, **more):
    return as_user(user, submit_job, job_type, factory.ALPHA, {"month": month}, available_at=3600, **more)


def each(job_type: str, *months: int) -> list[dict]:
    return [{"job_type": job_type, "organization": factory.ALPHA, "parameters": {"month": month}} for month in months]


def change_elsewhere(name: str, **columns) -> None:
    """Another session changes a job."""
    with database.another_connection() as other, other.cursor() as cursor:
        for column, value in columns.items():
            cursor.execute(f"UPDATE `tabBackground Job` SET {column} = %s WHERE name = %s", (value, name))
        other.commit()


def change_behind_snapshot(job, **columns) -> None:
    """Another session changes a job, which this transaction's snapshot shows as it was."""
    frappe.db.commit()
    frappe.db.get_value("Background Job", job.name, "status")  # begins the snapshot
    change_elsewhere(job.name, **columns)


def cap_waiting(number: int) -> None:
    frappe.db.set_value("Organization", factory.ALPHA, {"max_waiting": number, "on_queue_full": "Reject"})
    frappe.db.commit()


@pytest.fixture(autouse=True)
def no_cap(site: None) -> Iterator[None]:
    yield
    frappe.db.rollback()
    cap_waiting(0)


# A transaction believes its own snapshot only about jobs that it has written itself -----------------------------------


def test_after_a_refused_submit_the_snapshot_is_not_believed(alice, once):
    # Seen failing: each content that was asked about counted as written here, so a canceled job was returned.
    held = submitted(alice, once)
    submitted(alice, once, 2)
    change_behind_snapshot(held, status="Canceled")
    with pytest.raises(DuplicateJobError):
        as_user(alice, submit_jobs, each(once, 1, 2))
    assert submitted(alice, once, on_duplicate="return").name != held.name


def test_after_a_submit_that_a_savepoint_undid_the_snapshot_is_not_believed(alice, once):
    # Seen failing: the canceled job was returned, and so the new one lost.
    held = submitted(alice, once)
    change_behind_snapshot(held, status="Canceled")
    frappe.db.savepoint("test")
    assert submitted(alice, once, on_duplicate="return").name != held.name
    frappe.db.rollback(save_point="test")
    assert submitted(alice, once, on_duplicate="return").name != held.name


def test_after_a_retry_that_a_savepoint_undid_the_snapshot_is_not_believed(alice, once):
    # Seen failing: the snapshot shows the job as running, though it has failed since and is not retried.
    held = submitted(alice, once)
    frappe.db.set_value("Background Job", held.name, {"status": "Running", "dedup_until": "2020-01-01"})
    change_behind_snapshot(held, status="Dead Letter", modified="2100-01-01")
    frappe.db.savepoint("test")
    as_user(alice, retry_job, held.name)
    assert submitted(alice, once, on_duplicate="return").name == held.name, "it lives"
    frappe.db.rollback(save_point="test")
    assert submitted(alice, once, on_duplicate="return").name != held.name


def test_after_a_refused_retry_the_snapshot_is_not_believed(alice, monkeypatch):
    # Seen failing: the second of two equal dead letters was refused, though their newer twin was canceled by then.
    kind = factory.job_type("note", "add_note", deduplication_window=300)
    dead = []
    for _number in range(2):
        job = submitted_by(alice, kind, title="test twin", then="fail_for_good")
        run(job)
        frappe.db.set_value("Background Job", job.name, "dedup_until", "2020-01-01", update_modified=False)
        frappe.db.commit()
        dead.append(job.name)
    twin = submitted_by(alice, kind, title="test twin", then="fail_for_good")
    change_behind_snapshot(twin, status="Canceled")
    retry = record.Job.retry

    def refuse_first(job, *arguments):
        return job.row["name"] != dead[0] and retry(job, *arguments)

    monkeypatch.setattr(record.Job, "retry", refuse_first)
    assert as_user(alice, retry_jobs, dead)["done"] == [dead[1]]


# A submit that fails leaves everything as it was ----------------------------------------------------------------------


def test_a_job_that_others_lock_is_not_waited_for_long_to_be_replaced(alice, once):
    # Seen failing: as above, with the server's 50 seconds.
    held = submitted(alice, once, dedup_key="a")
    frappe.db.commit()
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM `tabBackground Job` WHERE name = %s FOR UPDATE", (held.name,))
        started = time.monotonic()
        with pytest.raises(JobBusyError, match="just changing"):
            submitted(alice, once, 2, dedup_key="a", on_duplicate="replace")
        assert time.monotonic() - started < 10
    frappe.db.commit()
    assert contents.parameters(held.name) == {"month": 1}


def test_a_refused_retry_keeps_the_checkpoint(alice, monkeypatch):
    # Seen failing: the caller could commit the loss of the checkpoint, though the job kept its parameters.
    job = submitted_by(alice, factory.job_type("note", "add_note"), title="test kept", then="fail_for_good")
    run(job)
    row = find.load(job.name)
    runs.write(ids.run_name(job.name, row["attempt"]), {"state": "7"})
    change_behind_snapshot(job, status="Running")
    monkeypatch.setattr(visible_jobs, "visible_job", lambda _name: row)
    monkeypatch.setattr(visible_jobs.find, "load_now", lambda _name: row)
    with pytest.raises(JobChangedError):
        as_user(alice, retry_job, job.name, {"title": "test other"})
    frappe.db.commit()
    assert runs.latest_state(job.name) == "7"


def test_a_lost_transaction_is_told_as_such(alice, once, monkeypatch):
    # Seen failing: "SAVEPOINT does not exist" instead, which nobody tries again.
    def lose_transaction(*_arguments) -> None:
        frappe.db.sql("ROLLBACK")  # as the server does
        raise database.DRIVERS[0].OperationalError(1213, "Deadlock found")

    monkeypatch.setattr(dependencies, "insert", lose_transaction)
    with pytest.raises(Exception, match="Deadlock") as lost:
        as_user(alice, submit_jobs, each(once, 1, 2))
    assert server_errors.is_conflict(lost.value)


@pytest.mark.parametrize("refusal", ["a duplicate", "a full queue"])
def test_a_refused_submit_replaces_nothing(alice, once, refusal):
    # Seen failing: the caller could catch the error and commit the new parameters of the first job.
    first = submitted(alice, once, dedup_key="a")
    submitted(alice, once, dedup_key="b")
    is_full = refusal == "a full queue"
    cap_waiting(2 if is_full else 0)
    replaces, other = each(once, 3, 4)
    replaces |= {"dedup_key": "a", "on_duplicate": "replace"}
    other |= {"dedup_key": "c" if is_full else "b"}
    with pytest.raises(QueueFullError if is_full else DuplicateJobError):
        as_user(alice, submit_jobs, [replaces, other])
    frappe.db.commit()
    assert contents.parameters(first.name) == {"month": 1}


def test_a_replacement_that_comes_too_late_undoes_the_earlier_ones(alice, once, monkeypatch):
    # Seen failing: the first job kept its new parameters.
    jobs = {job.name: job for job in (submitted(alice, once, dedup_key=key) for key in ("a", "b"))}
    frappe.db.commit()
    real, asked = record.replace_waiting, []

    def begin_second(found, row) -> bool:
        asked.append(found["name"])
        if len(asked) == 2:
            change_elsewhere(found["name"], status="Running")
        return real(found, row)

    monkeypatch.setattr(record, "replace_waiting", begin_second)
    request = each(once, 2)[0] | {"on_duplicate": "replace"}
    with pytest.raises(DuplicateJobError):
        as_user(alice, submit_jobs, [request | {"dedup_key": key} for key in ("a", "b")])
    frappe.db.commit()
    left = contents.stored(jobs[asked[0]].name, "input_parameters")
    assert frappe.parse_json(left) == {"month": 1}


def test_a_submit_without_its_history_leaves_no_job(alice, once, monkeypatch):
    # Seen failing: the caller could commit a job of which it did not know, and submit it again.
    def fail(*_arguments, **_more) -> None:
        raise database.DRIVERS[0].OperationalError(1205, "Lock wait timeout exceeded")

    monkeypatch.setattr(history, "write", fail)
    with pytest.raises(Exception, match="Lock wait"):
        submitted(alice, once)
    frappe.db.commit()
    assert not frappe.db.exists("Background Job", {"job_type": once})


def test_a_retry_that_can_not_forget_the_checkpoint_is_refused_as_a_whole(alice):
    # Seen failing: the caller could commit new parameters with the checkpoint of the old ones.
    job = submitted_by(alice, factory.job_type("note", "add_note"), title="test kept", then="fail_for_good")
    run(job)
    name = ids.run_name(job.name, 1)
    runs.write(name, {"state": "7"})
    frappe.db.commit()
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM `tabBackground Job Run` WHERE name = %s FOR UPDATE", (name,))
        frappe.db.sql("SET innodb_lock_wait_timeout = 1")
        try:
            with pytest.raises(JobBusyError):
                as_user(alice, retry_job, job.name, {"title": "test other"})
        finally:
            frappe.db.sql("SET innodb_lock_wait_timeout = 50")
        frappe.db.commit()
    assert status(job) == "Dead Letter"


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_later_request_that_replaces_does_so_behind_one_that_returns(alice, once, has_begun):
    # Seen failing: the first request's word held for both, so nothing was replaced, and nobody was told.
    held = submitted(alice, once, dedup_key="a")
    frappe.db.commit()
    if has_begun:
        change_elsewhere(held.name, status="Running", attempt=1)
    first, second = (request | {"dedup_key": "a"} for request in each(once, 2, 3))
    requests = [first | {"on_duplicate": "return"}, second | {"on_duplicate": "replace"}]
    if has_begun:
        with pytest.raises(DuplicateJobError):
            as_user(alice, submit_jobs, requests)
    else:
        assert [job.name for job in as_user(alice, submit_jobs, requests)] == [held.name] * 2
        frappe.db.commit()
        left = contents.stored(held.name, "input_parameters")
        assert frappe.parse_json(left) == {"month": 3}


def test_a_replaced_request_of_one_submit_gets_the_place_of_its_priority(alice, once):
    # Seen failing: it waited in line as the request that it replaced.
    low, critical = (request | {"dedup_key": "a"} for request in each(once, 1, 1))
    both = [low | {"priority": "Low"}, critical | {"priority": "Critical", "on_duplicate": "replace"}]
    merged = as_user(alice, submit_jobs, both)[0]
    other = as_user(alice, submit_jobs, [critical | {"dedup_key": "b", "priority": "Critical"}])[0]
    ranks = [frappe.db.get_value("Background Job", job.name, "admission_rank") for job in (merged, other)]
    assert abs(ranks[0] - ranks[1]) < 5


def test_a_refused_bulk_submit_leaves_no_jobs(alice, once, monkeypatch):
    # Seen failing: the caller could commit children that did not know their parents.
    def refuse(*_arguments) -> None:
        raise frappe.ValidationError("no")

    monkeypatch.setattr(dependencies, "insert", refuse)
    first, second = each(once, 1, 2)
    with pytest.raises(frappe.ValidationError):
        as_user(alice, submit_jobs, [first | {"key": "a"}, second | {"depends_on": "a"}])
    frappe.db.commit()
    assert not frappe.db.exists("Background Job", {"job_type": once})
