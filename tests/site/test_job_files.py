"""Files of jobs: what is left of them after each end of an attempt, and when they go."""

from __future__ import annotations

import io
import os
import re
import resource
import time
import tracemalloc
from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs import JobNotFoundError, delete_jobs, get_job_details, open_file
from dartwing_core.jobs.job import job_files
from dartwing_core.jobs.run.attempt import Attempt
from dartwing_core.jobs.sweep import retention
from dartwing_core.jobs.testing import context_for
from tests.support import database, factory, files, handlers
from tests.support.jobs import run, submitted, submitted_by

DAY = 86_400
FULL_DISK = 4 * 1024 * 1024
"""Bytes that a file may have in the test of a full disk; more than the logs of the site."""


@pytest.fixture
def job_type(site) -> str:
    made = factory.job_type("files", "makes_files", retry_delays="0")
    frappe.db.commit()
    return made


def names(job) -> list[str]:
    """The names of the job's files on the disk, which are those that its details list."""
    listed = [file["name"] for file in get_job_details(job.name)["files"]]
    assert sorted(listed) == sorted(path.name for path in files.on_disk(job))
    return listed


def text(job, name: str) -> str:
    with open_file(job.name, name) as file:
        return file.read().decode()


def again(job, attempt: int) -> None:
    """Make a further attempt."""
    frappe.db.set_value("Background Job", job.name, {"status": "Queued", "in_line": 1})
    frappe.db.commit()
    run(job, attempt)


# After an attempt


def test_a_completed_job_has_its_files_and_no_row_of_file(job_type):
    before = frappe.db.count("File")
    job = submitted(job_type, steps=[["List of März.csv", "b"]])
    assert run(job)["status"] == "Completed"
    (first, second) = get_job_details(job.name)["files"]
    assert first == {
        "name": "List of März.csv",
        "size": 1,
        "type": "text/csv",
        "file_url": "/api/method/dartwing_core.api.jobs.download_file"
        f"?job_id={job.name}&name=List%20of%20M%C3%A4rz.csv",
    }
    assert (second["name"], second["type"]) == ("b", "application/octet-stream")
    assert text(job, "List of März.csv") == "1"
    (path, _second) = files.on_disk(job)
    assert re.fullmatch(r"1-[0-9a-f]{32}", path.parent.name), "which nobody can guess"
    assert frappe.db.count("File") == before


def test_the_index_tells_no_name(job_type):
    job = submitted(job_type, steps=[["Salaries.csv"]])
    run(job)
    row = database.value("SELECT sealed_files FROM `tabBackground Job Run` WHERE background_job = %s", job.name)
    assert row
    assert "Salaries" not in row
    assert "dartwing_core" not in row


def test_what_a_failed_attempt_has_attached_goes_and_the_next_one_attaches_its_own(job_type):
    job = submitted(job_type, steps=[["a.txt", "fail"], ["b.txt"]])
    run(job)
    assert names(job) == []
    again(job, 2)
    assert names(job) == ["b.txt"]


def test_a_checkpoint_keeps_what_was_attached_before_it(job_type):
    job = submitted(job_type, steps=[["a.txt", "keep", "b.txt", "fail"], ["c.txt"]])
    run(job)
    assert names(job) == ["a.txt"]
    again(job, 2)
    assert names(job) == ["a.txt", "c.txt"]
    assert (text(job, "a.txt"), text(job, "c.txt")) == ("1", "2")


def test_what_a_killed_worker_leaves_after_its_checkpoint_is_out_of_reach(job_type, monkeypatch):
    job = submitted(job_type, steps=[["a.txt", "keep", "b.txt", "fail"]])
    monkeypatch.setattr(Attempt, "fail", lambda *_arguments: None)
    run(job)
    frappe.db.rollback()
    assert [path.name for path in files.on_disk(job)] == ["a.txt", "b.txt"]
    assert [file["name"] for file in get_job_details(job.name)["files"]] == ["a.txt"]
    with pytest.raises(JobNotFoundError):
        open_file(job.name, "b.txt")


def test_of_two_attempts_files_with_one_name_the_later_is_read(job_type):
    job = submitted(job_type, steps=[["a.txt", "keep", "fail"], ["a.txt"]])
    run(job)
    again(job, 2)
    assert [file["name"] for file in get_job_details(job.name)["files"]] == ["a.txt"]
    assert text(job, "a.txt") == "2"


def test_equal_names_of_an_attempt_get_numbers(job_type):
    job = submitted(job_type, steps=[["a.txt", "a.txt", "a.txt"]])
    run(job)
    assert names(job) == ["a.txt", "a-2.txt", "a-3.txt"]


def test_an_attempt_that_was_overtaken_leaves_no_file(job_type, monkeypatch):
    job = submitted(job_type, steps=[["a.txt"]])
    add = job_files.AttemptFiles.add

    def overtaken(*arguments):
        file = add(*arguments)
        with database.another_connection() as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE `tabBackground Job` SET attempt = 2 WHERE name = %s", (job.name,))
        return file

    monkeypatch.setattr(job_files.AttemptFiles, "add", overtaken)
    assert run(job)["status"] == "Running"
    assert files.on_disk(job) == []


def test_the_clean_up_after_a_time_limit_may_attach_files(site, monkeypatch):
    # The attempt's end is written before.
    path = f"{factory.HANDLERS}.makes_files"
    job_type = factory.job_type("files", path, timeout_handler_method=path, max_retries=0)
    frappe.db.commit()
    job = submitted(job_type, steps=[["state.txt"]])
    monkeypatch.setattr("dartwing_core.jobs.run.context.JobContext.remaining_seconds", lambda self: 0.0)
    assert run(job)["status"] == "Dead Letter"
    assert names(job) == ["state.txt"]


def test_a_full_disk_leaves_no_part_of_the_file(site):
    # Without the `unlink` in `job_files`. A limit on the size of files stands for the disk.
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    context = context_for(handlers.makes_files, job_id="JOB-FULL")
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_DISK, allowed[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            context.attach(io.BytesIO(bytes(FULL_DISK + 1)), "large.bin")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert list(job_files.folder().glob("JOB-FULL/*/*")) == []
    job_files.delete_now(["JOB-FULL"])


def test_a_large_file_is_copied_in_pieces_from_its_beginning(site, tmp_path):
    context = context_for(handlers.makes_files, job_id="JOB-LARGE")
    with (tmp_path / "large").open("w+b") as content:
        content.truncate(64 * 1024 * 1024)
        content.seek(0, os.SEEK_END)
        tracemalloc.start()
        try:
            file = context.attach(content, "large.bin")
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert file.size == 64 * 1024 * 1024
    assert peak < 8 * 1024 * 1024
    frappe.db.rollback()
    assert list(job_files.folder().glob("JOB-LARGE/*/*")) == [], "as a test's transaction"
    job_files.delete_now(["JOB-LARGE"])


# Reading in Python


def test_a_child_reads_a_file_of_its_parent(job_type, alice, bob):
    parent = submitted_by(alice, job_type, steps=[["a.txt"]])
    run(parent)
    reading = factory.job_type("reading", "reads_file")
    frappe.db.commit()
    child = submitted_by(alice, reading, of=parent.name, name="a.txt")
    assert run(child)["result"] == {"text": "1"}
    factory.member(bob, factory.ALPHA)
    other = submitted_by(bob, reading, of=parent.name, name="a.txt")
    assert run(other)["error_message"] == f"JobNotFoundError: Background job {parent.name} not found."


def test_a_hidden_file_is_missing(job_type, alice):
    job = submitted_by(alice, job_type, steps=[["a.txt"]])
    run(job)
    frappe.set_user(alice)
    for name in ("a.txt", "b.txt", "../a.txt", ""):
        if name != "a.txt":
            with pytest.raises(JobNotFoundError, match="has no file"):
                open_file(job.name, name)
    assert text(job, "a.txt") == "1"
    frappe.db.set_value("Organization", factory.ALPHA, "status", "Suspended")
    with pytest.raises(JobNotFoundError, match=rf"Background job {job.name} has no file a\.txt\."):
        open_file(job.name, "a.txt")
    assert get_job_details(job.name)["files"] == []


# Deletion


@pytest.fixture
def job(job_type):
    """A completed job with a file."""
    made = submitted(job_type, steps=[["a.txt"]])
    run(made)
    assert names(made) == ["a.txt"]
    return made


@pytest.mark.parametrize("how", ["document", "engine"])
def test_files_go_with_their_job_once_its_deletion_is_committed(job, how):
    def delete() -> None:
        delete_jobs([job.name]) if how == "engine" else frappe.delete_doc(job.doctype, job.name)

    delete()
    assert files.on_disk(job)
    frappe.db.rollback()
    assert files.on_disk(job)
    delete()
    frappe.db.commit()
    assert not (job_files.folder() / job.name).exists()


def test_a_deletion_that_is_undone_to_a_savepoint_keeps_them(job):
    frappe.db.savepoint("undeleted")
    frappe.delete_doc(job.doctype, job.name)
    frappe.db.rollback(save_point="undeleted")
    frappe.db.commit()
    assert text(job, "a.txt") == "1"


def folder_of(name: str, age: float) -> Path:
    """A folder of a job, changed so many seconds ago."""
    made = job_files.folder() / name
    (made / "1-x").mkdir(parents=True)
    (made / "1-x" / "a.txt").write_text("x")
    os.utime(made, (time.time() - age, time.time() - age))
    return made


def test_folders_without_a_job_go_after_a_month(job):
    old, young = folder_of("JOB-GONE-1", 31 * DAY), folder_of("JOB-GONE-2", 29 * DAY)
    own = job_files.folder() / job.name
    os.utime(own, (time.time() - 31 * DAY,) * 2)
    retention.clear_old_jobs(30)
    assert (old.exists(), young.exists(), own.exists()) == (False, True, True)
    job_files.delete_now([young.name])
