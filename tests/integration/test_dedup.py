"""Which equal job a submit or a retry believes in, and what a refused submit leaves."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import DuplicateJobError, engine, retry_job, retry_jobs, submit_job, submit_jobs
from dartwing_core.jobs.errors import JobChangedError
from tests.support import database, factory
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


def changed_by_others(job, **columns) -> None:
    """Another session changes a job, which this transaction's snapshot shows as it was."""
    frappe.db.commit()
    status(job)  # begins the snapshot
    with database.another_connection() as other, other.cursor() as cursor:
        for column, value in columns.items():
            cursor.execute(f"UPDATE `tabBackground Job` SET {column} = %s WHERE name = %s", (value, job.name))
        other.commit()


# A transaction believes its own snapshot only about jobs that it has written itself -----------------------------------


def test_after_a_refused_submit_the_snapshot_is_not_believed(alice, once):
    # Seen failing: each content that was asked about counted as written here, so a canceled job was returned.
    held = submitted(alice, once)
    submitted(alice, once, 2)
    changed_by_others(held, status="Canceled")
    with pytest.raises(DuplicateJobError):
        as_user(alice, submit_jobs, each(once, 1, 2))
    assert submitted(alice, once, on_duplicate="return").name != held.name


def test_after_a_submit_that_a_savepoint_undid_the_snapshot_is_not_believed(alice, once):
    # Seen failing: the canceled job was returned, and so the new one lost.
    held = submitted(alice, once)
    changed_by_others(held, status="Canceled")
    frappe.db.savepoint("test")
    assert submitted(alice, once, on_duplicate="return").name != held.name
    frappe.db.rollback(save_point="test")
    assert submitted(alice, once, on_duplicate="return").name != held.name


def test_after_a_retry_that_a_savepoint_undid_the_snapshot_is_not_believed(alice, once):
    # Seen failing: the snapshot shows the job as running, though it has failed since and is not retried.
    held = submitted(alice, once)
    frappe.db.set_value("Background Job", held.name, {"status": "Running", "dedup_until": "2020-01-01"})
    changed_by_others(held, status="Dead Letter", modified="2100-01-01")
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
    changed_by_others(twin, status="Canceled")
    moved = engine._moved

    def refuse_first(job, *arguments):
        if job["name"] == dead[0]:
            raise JobChangedError(job["name"])
        return moved(job, *arguments)

    monkeypatch.setattr(engine, "_moved", refuse_first)
    assert as_user(alice, retry_jobs, dead)["done"] == [dead[1]]
