"""A job exists exactly when its submitter's transaction commits (seed review 1.2; regressions 17, 23, 24)."""

from __future__ import annotations

import threading

import frappe
import pytest
from rq.timeouts import JobTimeoutException

from dartwing_core.jobs import get_job_history, get_job_status, submit_job, submit_jobs
from dartwing_core.jobs.lib import sql
from dartwing_core.jobs.rq import doorbells
from dartwing_core.jobs.sweep import sweeper
from tests.support import database, factory, processes
from tests.support.rest import count
from tests.support.waiting import until

QUEUED = "SELECT COUNT(*) FROM `tabBackground Job` WHERE job_type = %s AND status = 'Queued'"


def entries() -> int:
    return len(processes.queue_client().keys("rq:job:*"))


def test_a_job_is_there_and_queued_with_the_commit_and_gone_with_a_rollback(job_type, no_sweeps):
    assert submit_job(job_type, factory.ALPHA, {"n": 1}).status == "Pending"
    frappe.db.rollback()
    frappe.db.commit()
    assert (entries(), count()) == (0, 0)
    job = submit_job(job_type, factory.ALPHA, {"n": 1})
    assert (entries(), count()) == (0, 0)
    before = _commits()
    frappe.db.commit()
    assert _commits() - before == 1, "queueing takes none of its own"
    assert get_job_status(job.name)["status"] == "Queued"
    assert (entries(), count()) == (1, 1)


def _commits() -> int:
    """Of this connection so far."""
    return int(frappe.db.sql("SHOW SESSION STATUS LIKE 'Com_commit'")[0][1])


def test_a_savepoint_rollback_leaves_only_the_jobs_outside_it(job_type):
    kept = submit_job(job_type, factory.ALPHA, {"n": 1})
    frappe.db.savepoint("before_second")
    submit_job(job_type, factory.ALPHA, {"n": 2})
    frappe.db.rollback(save_point="before_second")
    frappe.db.commit()
    assert (entries(), count()) == (1, 1)
    assert [event["to_status"] for event in get_job_history(kept.name)["history"]] == ["Pending", "Queued"]


def test_the_callers_other_work_is_neither_committed_nor_lost(job_type):
    # I2. Broken by a `frappe.db.commit()` anywhere in `engine.submit`.
    note = frappe.get_doc({"doctype": "Note", "title": "test note", "public": 1}).insert()
    submit_job(job_type, factory.ALPHA)
    assert database.value("SELECT name FROM tabNote WHERE name = %s", note.name) is None
    frappe.db.rollback()
    assert database.value("SELECT name FROM tabNote WHERE name = %s", note.name) is None


def test_a_failing_callback_of_another_app_costs_no_job(job_type):
    # spike.md D: a flag "callback is registered" would go stale here and never ring again on this connection.
    def fail():
        raise RuntimeError("another app")

    frappe.db.after_commit.add(fail)
    submit_job(job_type, factory.ALPHA, {"n": 1})
    with pytest.raises(RuntimeError, match="another app"):
        frappe.db.commit()
    frappe.db.rollback()
    assert (entries(), database.value(QUEUED, job_type)) == (0, 1)
    submit_job(job_type, factory.ALPHA, {"n": 2})
    frappe.db.commit()
    assert (entries(), database.value(QUEUED, job_type)) == (1, 2), "the second transaction rings"


@pytest.mark.parametrize("beside", [0, 1])
def test_a_job_submitted_by_another_after_commit_callback_is_kept_while_redis_is_away(job_type, beside, monkeypatch):
    # Seen failing (lost with the rollback) without the commit in `AfterCommit.__call__`.
    frappe.db.after_commit.add(lambda: submit_job(job_type, factory.ALPHA, {"n": "late"}))
    frappe.db.commit()
    assert (entries(), count()) == (1, 1)
    monkeypatch.setitem(frappe.local.conf, "redis_queue", "redis://127.0.0.1:1")
    frappe.db.after_commit.add(lambda: submit_job(job_type, factory.ALPHA))
    for _number in range(beside):
        submit_job(job_type, factory.ALPHA, {"in": "the transaction"})
    frappe.db.commit()
    frappe.db.rollback()
    assert count() == 2 + beside


def test_a_time_limit_that_strikes_after_the_commit_is_not_swallowed_and_costs_no_job(job_type, monkeypatch):
    def strike(*_arguments):
        raise JobTimeoutException("planned")

    submit_job(job_type, factory.ALPHA)
    monkeypatch.setattr(doorbells, "_ring_unpaused", strike)
    with pytest.raises(JobTimeoutException):
        frappe.db.commit()
    frappe.db.rollback()
    assert database.value(QUEUED, job_type) == 1


def test_many_jobs_at_once_are_one_insert(job_type):
    requests = [{"job_type": job_type, "organization": factory.ALPHA, "parameters": {"n": n}} for n in range(50)]
    submit_jobs(requests)  # warms the cache of Job Types
    frappe.db.rollback()
    with database.statements() as seen:
        jobs = submit_jobs(requests)
    inserts = [statement for statement in seen if "INSERT INTO `tabBackground Job` " in statement]
    assert len(inserts) == 1
    assert len(seen) == 4, "who may submit is asked once; jobs are one statement, what happened to them two"
    assert len({job.name for job in jobs}) == 50
    frappe.db.commit()
    assert (entries(), database.value(QUEUED, job_type)) == (1, 50)


def test_an_error_of_the_dispatch_never_reaches_the_caller(job_type, no_sweeps, monkeypatch):
    def broken(*_arguments):
        raise frappe.QueryDeadlockError("after the commit")

    ran = []
    job = submit_job(job_type, factory.ALPHA)
    frappe.db.after_commit.add(lambda: ran.append(database.value(QUEUED, job_type)))
    with monkeypatch.context() as patch:
        patch.setattr(doorbells, "_ring_unpaused", broken)
        frappe.db.commit()
    assert ran == [1], "callbacks of others run all the same, behind our commit, and once"
    assert (get_job_status(job.name)["status"], entries()) == ("Queued", 0)
    sweeper.sweep()
    assert entries() == 1


def test_a_submit_sweeps_up_what_others_left_but_seldom(job_type):
    # On a site without a scheduler, whose workers are idle or busy for hours, nobody else would.
    left = submit_job(job_type, factory.ALPHA, {"n": 1})
    frappe.db.sql("commit")  # the callbacks did not run: a process that died after its commit
    submit_job(job_type, factory.ALPHA, {"n": 2})
    frappe.db.commit()
    assert entries() == 1
    assert get_job_status(left.name)["status"] == "Queued"
    with database.statements() as seen:
        submit_job(job_type, factory.ALPHA, {"n": 3})
        frappe.db.commit()
    assert len(seen) <= 7, seen


def test_a_job_submitted_by_a_later_before_commit_callback_is_queued_too(job_type):
    submit_job(job_type, factory.ALPHA, {"n": 1})
    frappe.db.before_commit.add(lambda: submit_job(job_type, factory.ALPHA, {"n": 2}))
    frappe.db.commit()
    assert (entries(), database.value(QUEUED, job_type)) == (1, 2)


def test_the_locks_of_a_transaction_end_with_it():
    job_type = factory.job_type("once", deduplication_window=300)
    for end in (frappe.db.rollback, frappe.db.commit):
        name = sql.lock_name(submit_job(job_type, factory.ALPHA).dedup_hash)
        assert database.value("SELECT IS_FREE_LOCK(%s)", name) == 0
        end()
        assert database.value("SELECT IS_FREE_LOCK(%s)", name) == 1


def test_a_deadlock_of_named_locks_alone_undoes_nothing(job_type):
    # Seen failing: it counted as one of rows, so the writes of a failed operation would have stayed.
    submitted = submit_job(job_type, factory.ALPHA)
    with database.another_connection() as other, other.cursor() as cursor:
        first, second = map(sql.lock_name, ("test:first", "test:second"))
        assert sql.acquire_locks([first], 0)
        cursor.execute("SELECT GET_LOCK(%s, 0)", (second,))
        waits = threading.Thread(target=cursor.execute, args=("SELECT GET_LOCK(%s, 30)", (first,)))
        waits.start()
        until(lambda: database.value(WAITING_FOR, f"%{first}%"))
        assert sql.acquire_locks([second], 30) is False
        sql.release_locks([first])
        waits.join(30)
    assert frappe.db.exists("Background Job", submitted.name)
    frappe.db.rollback()


WAITING_FOR = "SELECT ID FROM information_schema.PROCESSLIST WHERE STATE = 'User lock' AND INFO LIKE %s"
