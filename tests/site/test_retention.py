"""What the daily clean-up deletes, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs import batch, cancel_job, job, retry_job
from dartwing_core.jobs.after import follow_up
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.sweep import retention
from tests.support import database, factory, files
from tests.support.database import another_connection
from tests.support.jobs import run, status, submitted, submitted_with
from tests.support.lifecycle import made
from tests.support.sessions import committed
from tests.support.settings import settings

JOB = "Background Job"


def aged(job, days: float) -> None:
    """Let everything about the job have happened so many days earlier."""
    columns = ("creation", "modified", "created_at", "available_at", "completed_at")
    moved = ", ".join(f"{column} = {column} - INTERVAL {int(days * 24)} HOUR" for column in columns)
    moved += f", dedup_until_epoch = dedup_until_epoch - {int(days * 86_400)}"
    committed(frappe.db.sql, f"UPDATE `tab{JOB}` SET {moved} WHERE name = %s", (job.name,))


def is_there(job) -> bool:
    frappe.db.rollback()
    return bool(frappe.db.exists(JOB, job.name))


def ended(how: str):
    if how in ("Canceled", "Pending"):
        job = submitted_with(made("nothing"), available_at=400 * 86_400)
        if how == "Canceled":
            committed(cancel_job, job.name)
        return job
    job = submitted(made("nothing"), how=how) if how == "Completed" else submitted(made("fails_with"), message="no")
    run(job)
    return job


@pytest.mark.parametrize(
    ("how", "days", "stays"),
    [
        ("Completed", 31, False),
        ("Completed", 29, True),
        ("Canceled", 31, False),
        ("Dead Letter", 31, True),
        ("Dead Letter", 91, False),
        ("Pending", 300, True),
    ],
)
def test_finished_jobs_go_after_their_time(how, days, stays):
    job = ended(how)
    aged(job, days)
    retention.clear_old_jobs(30)
    assert is_there(job) is stays


def test_a_day_without_anything_to_delete_logs_no_error(capsys):
    # Seen failing: "Syntax error in query", since files of no jobs were looked for.
    aged(ended("Pending"), 31)
    assert retention.clear_old_jobs(30) == 0
    assert capsys.readouterr().err == ""


def test_a_job_goes_by_its_end_not_by_its_beginning():
    job = ended("Completed")
    frappe.db.sql(f"UPDATE `tab{JOB}` SET creation = creation - INTERVAL 100 DAY WHERE name = %s", (job.name,))
    frappe.db.commit()
    retention.clear_old_jobs(30)
    assert is_there(job)


def test_dead_letters_stay_at_least_as_long_as_others():
    job = ended("Dead Letter")
    aged(job, 40)
    frappe.db.sql(f"UPDATE `tab{JOB}` SET creation = creation - INTERVAL 60 DAY WHERE name = %s", (job.name,))
    frappe.db.commit()
    with settings(dead_letter_days=10):
        retention.clear_old_jobs(60)
        assert is_there(job)
        retention.clear_old_jobs(30)
    assert not is_there(job)


def test_history_files_and_comments_go_along(frappes_jobs_at_once):
    job = files.given(ended("Completed"))
    assert files.on_disk(job)
    values = {"doctype": "File", "file_name": "report.csv", "content": job.name, "is_private": 1}
    file = frappe.get_doc({**values, "attached_to_doctype": JOB, "attached_to_name": job.name})
    file.insert(ignore_permissions=True)
    path = file.get_full_path()
    assert Path(path).exists()
    frappe.get_doc(
        {"doctype": "Comment", "comment_type": "Comment", "reference_doctype": JOB, "reference_name": job.name}
    ).insert(ignore_permissions=True)
    aged(job, 31)
    retention.clear_old_jobs(30)
    for doctype in ("Job Execution Log", "Background Job Run"):
        assert not frappe.db.exists(doctype, {"background_job": job.name})
    assert not frappe.db.exists("Comment", {"reference_name": job.name})
    assert not frappe.db.exists("File", {"attached_to_name": job.name})
    assert not Path(path).exists()
    assert files.on_disk(job) == []


@pytest.mark.parametrize("number", [1, 2])
def test_a_parent_stays_until_its_children_have_finished(number):
    # Seen failing with `depends_on` of the child's row alone, which names the first of several parents.
    parents = [submitted(made("nothing"), number=n) for n in range(number)]
    for one in parents:
        run(one)
    parent = parents[-1]
    child = submitted_with(made("nothing"), depends_on=[one.name for one in parents], available_at=3600)
    aged(parent, 31)
    retention.clear_old_jobs(30)
    assert is_there(parent)
    committed(cancel_job, child.name)
    retention.clear_old_jobs(30)
    assert not is_there(parent)


@pytest.mark.parametrize("number", [1, 2])
def test_a_child_that_ended_with_a_parent_runs_if_that_completed_and_is_gone(number):
    # Seen failing with a child that still waits for the one that is gone.
    parents = [submitted_with(made("nothing"), parameters={"n": n}, available_at=3600) for n in range(number)]
    child = submitted_with(made("nothing"), parameters={"child": 1}, depends_on=[parent.name for parent in parents])
    last = parents[-1]
    committed(frappe.db.set_value, JOB, last.name, "status", "Dead Letter")
    follow_up.release_children([last.name])
    assert status(child) == "Dead Letter"
    committed(retry_job, last.name)
    run(last)
    aged(last, 31)
    retention.clear_old_jobs(30)
    assert not is_there(last)
    committed(retry_job, child.name)
    assert status(child) == ("Pending" if number == 2 else "Queued")
    if number == 2:
        assert frappe.db.get_value(JOB, child.name, "waits_for") == parents[0].name


def test_a_job_of_a_running_batch_stays_and_a_batch_goes_with_its_last_job():
    found = batch(job(made("nothing"), {"n": 1}), job(made("nothing"), {"n": 2})).submit(factory.ALPHA)
    frappe.db.commit()
    names = frappe.get_all(JOB, {"parent_batch": found.name}, order_by="name asc")
    run(names[0])
    aged(names[0], 31)
    retention.clear_old_jobs(30)
    assert is_there(names[0])
    run(names[1])
    committed(frappe.db.sql, "UPDATE `tabJob Batch` SET completed_at = completed_at - INTERVAL 31 DAY")
    retention.clear_old_jobs(30)
    assert (is_there(names[0]), bool(frappe.db.exists("Job Batch", found.name))) == (False, True)
    aged(names[1], 31)
    retention.clear_old_jobs(30)
    assert not frappe.db.exists("Job Batch", found.name)


def test_a_job_keeps_its_content_to_the_end_of_its_window():
    job = submitted(made("nothing", deduplication_window=100 * 86_400))
    run(job)
    aged(job, 31)
    retention.clear_old_jobs(30)
    assert is_there(job)


def test_a_dead_letter_that_is_being_retried_stays():
    # Broken by leaving out SKIP LOCKED: the clean-up waits for the retry, and then deletes a live job or stalls.
    job = ended("Dead Letter")
    aged(job, 100)
    with another_connection() as person, person.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"UPDATE `tab{JOB}` SET status = 'Pending' WHERE name = %s", (job.name,))
        retention.clear_old_jobs(30)
        cursor.execute("COMMIT")
    assert is_there(job)


def test_more_than_a_batch_goes_and_kept_ones_hide_none(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    jobs = [ended("Completed") for _ in range(5)]
    kept = [ended("Dead Letter") for _ in range(3)]
    last = ended("Completed")
    for number, one in enumerate([*jobs, *kept, last]):
        aged(one, 60 - number)
    assert retention.clear_old_jobs(30) == 6
    assert [is_there(job) for job in kept] == [True] * 3


def test_log_settings_say_how_long():
    job = ended("Completed")
    aged(job, 12)
    log_settings = frappe.get_doc("Log Settings")
    log_settings.register_doctype(JOB, 10)
    log_settings.save()
    try:
        log_settings.clear_logs()
        assert not is_there(job)
    finally:
        log_settings = frappe.get_doc("Log Settings")
        log_settings.register_doctype(JOB, 30)
        committed(log_settings.save)


def test_no_days_at_all_are_refused():
    # Broken by leaving the check out: every finished job would go.
    with pytest.raises(ValueError, match="positive"):
        retention.clear_old_jobs(0)


def test_its_queries_go_along_indexes():
    assert [step["key"] for _query, step in database.plans(lambda: retention.clear_old_jobs(30), JOB)] == ["creation"]
    now, names = clock.site_time(), ("JOB-1", "JOB-2")
    values = {"names": names, "ended": names, "live": names, "ended_before": now, "dead_before": now, "now": now}
    plan = frappe.db.sql(f"EXPLAIN {retention.DELETABLE}", values, as_dict=True)
    assert (plan[0]["table"], plan[0]["key"]) == ("job", "PRIMARY")
    assert all(row["key"] for row in plan if row["table"] is not None)
