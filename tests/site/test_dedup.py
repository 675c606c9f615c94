"""Which equal job a submit or a retry believes in, and what a refused submit leaves."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import frappe
import pytest

from dartwing_core.jobs import DuplicateJobError, InvalidJobError, retry_job, submit_job, submit_jobs
from dartwing_core.jobs.after.after_commit import after_commit
from dartwing_core.jobs.errors import JobBusyError, QueueFullError
from dartwing_core.jobs.job import history, record
from dartwing_core.jobs.lib import clock, server_errors
from tests.support import contents, database, factory
from tests.support.jobs import set_columns
from tests.support.sessions import as_user, committed


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
    committed(frappe.db.set_value, "Organization", factory.ALPHA, {"max_waiting": number, "on_queue_full": "Reject"})


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
    frappe.db.set_value("Background Job", held.name, {"status": "Running", "dedup_until_epoch": 0})
    change_behind_snapshot(held, status="Dead Letter", version=9)
    frappe.db.savepoint("test")
    as_user(alice, retry_job, held.name)
    assert submitted(alice, once, on_duplicate="return").name == held.name, "it lives"
    frappe.db.rollback(save_point="test")
    assert submitted(alice, once, on_duplicate="return").name != held.name


# How long an equal job is a duplicate ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "asked", "is_duplicate"),
    [(180, -60, True), (180, 181, False), (-2_700, -2_699, False), (-2_700, 300, False)],
)
def test_a_window_lasts_its_time_while_the_clock_repeats_an_hour(alice, once, monkeypatch, ends, asked, is_duplicate):
    # Seen failing: by the site's clock, the first window was over at once, and the last one came a second time.
    autumn = datetime(2026, 10, 25, 1, tzinfo=timezone.utc).timestamp()  # Berlin: 03:00 becomes 02:00
    monkeypatch.setattr(clock, "site_zone", lambda: ZoneInfo("Europe/Berlin"))
    monkeypatch.setattr(clock, "now_epoch", lambda: autumn + ends - 300)
    held = submitted(alice, once)
    set_columns(held, status="Completed", in_line=0)
    monkeypatch.setattr(clock, "now_epoch", lambda: autumn + asked)
    assert (submitted(alice, once, on_duplicate="return").name == held.name) is is_duplicate


# A submit that fails leaves everything as it was ----------------------------------------------------------------------


def test_a_job_that_others_lock_is_not_waited_for_long_to_be_replaced(alice, once):
    # Seen failing: as above, with the server's 50 seconds.
    held = submitted(alice, once, dedup_key="a")
    frappe.db.commit()
    with database.another_connection() as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM `tabBackground Job` WHERE name = %s FOR UPDATE", (held.name,))
        started = time.monotonic()
        with pytest.raises(JobBusyError, match="being changed"):
            submitted(alice, once, 2, dedup_key="a", on_duplicate="replace")
        assert time.monotonic() - started < 10
    frappe.db.commit()
    assert contents.parameters(held.name) == {"month": 1}


def test_a_lost_transaction_is_told_as_such(alice, once, monkeypatch):
    # Seen failing: "SAVEPOINT does not exist" instead, which nobody tries again.
    def lose_transaction(*_arguments) -> None:
        frappe.db.sql("ROLLBACK")  # as the server does
        raise database.DRIVERS[0].OperationalError(1213, "Deadlock found")

    monkeypatch.setattr(record, "insert", lose_transaction)
    with pytest.raises(Exception, match="Deadlock") as lost:
        as_user(alice, submit_jobs, each(once, 1, 2))
    assert server_errors.is_conflict(lost.value)


@pytest.mark.parametrize("refusal", ["a duplicate", "a full queue"])
def test_a_refused_submit_replaces_nothing(alice, once, refusal):
    # Seen failing: the caller could catch the error and commit the new parameters of the first job.
    first = submitted(alice, once, dedup_key="a")
    submitted(alice, once, dedup_key="b")
    is_full = refusal == "a full queue"
    cap_waiting(1 if is_full else 0)
    replaces, other, more = each(once, 3, 4, 5)
    replaces |= {"dedup_key": "a", "on_duplicate": "replace"}
    other |= {"dedup_key": "c" if is_full else "b"}
    with pytest.raises(QueueFullError if is_full else DuplicateJobError):
        as_user(alice, submit_jobs, [replaces, other, more])
    frappe.db.commit()
    assert contents.parameters(first.name) == {"month": 1}


def test_a_submit_that_is_refused_for_its_parents_keeps_no_lock(once):
    # Seen failing: another submit of the content waited for half a minute.
    with pytest.raises(InvalidJobError, match="not found in this organization"):
        submit_job(once, factory.ALPHA, depends_on="JOB-NONE")
    assert not after_commit().locks


def test_a_submit_without_its_history_leaves_no_job(alice, once, monkeypatch):
    # Seen failing: the caller could commit a job of which it did not know, and submit it again.
    def fail(*_arguments, **_more) -> None:
        raise database.DRIVERS[0].OperationalError(1205, "Lock wait timeout exceeded")

    monkeypatch.setattr(history, "write", fail)
    for months in ((1,), (1, 2)):
        with pytest.raises(Exception, match=r"Lock wait|being changed"):
            as_user(alice, submit_jobs, each(once, *months))
        frappe.db.commit()
        assert not frappe.db.exists("Background Job", {"job_type": once})


def test_a_later_request_that_replaces_does_so_behind_one_that_returns(alice, once):
    # Seen failing: the first request's word held for both, so nothing was replaced, and nobody was told.
    held = submitted(alice, once, dedup_key="a")
    frappe.db.commit()
    first, second = (request | {"dedup_key": "a"} for request in each(once, 2, 3))
    requests = [first | {"on_duplicate": "return"}, second | {"on_duplicate": "replace"}]
    assert [job.name for job in as_user(alice, submit_jobs, requests)] == [held.name] * 2
    frappe.db.commit()
    assert contents.parameters(held.name) == {"month": 3}
    change_elsewhere(held.name, status="Running", attempt=1)
    with pytest.raises(DuplicateJobError):
        as_user(alice, submit_jobs, requests)
