"""Files of jobs: what is left of them after each end of an attempt, when they go, and who gets them over HTTP."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from urllib.parse import quote, unquote

import frappe
import pytest
import requests

from dartwing_core.jobs import JobNotFoundError, delete_jobs, get_job_details, open_file
from dartwing_core.jobs.job import job_files
from dartwing_core.jobs.sweep import retention, sweeper
from tests.support import attempts, factory, files, http
from tests.support.files import NAME, SECRET
from tests.support.http import Client
from tests.support.jobs import lose, run, submitted, submitted_by

pytestmark = pytest.mark.usefixtures("fresh_limits", "no_sweeps")

DAY = 86_400


@pytest.fixture
def job_type(site) -> str:
    return factory.job_type("files", "makes_files", retry_delays="0")


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


def test_what_a_lost_attempt_has_attached_goes_with_its_rescue_unless_a_checkpoint_has_kept_it(job_type):
    # Seen failing: each killed attempt left its files until the job was deleted.
    job = submitted(job_type, steps=[[], ["d.txt"]])
    lost = attempts.begun(job.name, 1)
    for name in ("a.txt", "b.txt"):
        lost.context.attach("1", name)
        lost.context.checkpoint(None)
    lost.context.attach("1", "c.txt")
    assert len(files.on_disk(job)) == 3
    with pytest.raises(JobNotFoundError):
        open_file(job.name, "c.txt")
    lose(job)
    assert sweeper.sweep().rescued == 1
    assert names(job) == ["a.txt", "b.txt"]
    assert run(job, 2)["status"] == "Completed"
    assert names(job) == ["a.txt", "b.txt", "d.txt"]


def test_a_worker_that_comes_back_after_its_rescue_takes_its_files_along(job_type):
    job = submitted(job_type, steps=[["late.txt"], ["b.txt"]])
    late = attempts.begun(job.name, 1)
    late.context.attach("1", "a.txt")
    lose(job)
    assert sweeper.sweep().rescued == 1
    assert files.on_disk(job) == []
    late.context.attach("1", "c.txt")
    assert run(job, 2)["status"] == "Completed"
    late.make()
    assert names(job) == ["b.txt"]


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


# Reading in Python


def test_a_child_reads_a_file_of_its_parent(job_type, alice, bob):
    parent = submitted_by(alice, job_type, steps=[["a.txt"]])
    run(parent)
    reading = factory.job_type("reading", "reads_file")
    child = submitted_by(alice, reading, of=parent.name, name="a.txt")
    assert run(child)["result"] == {"text": "1"}
    factory.member(bob, factory.ALPHA)
    other = submitted_by(bob, reading, of=parent.name, name="a.txt")
    assert run(other)["error_message"] == f"JobNotFoundError: Background job {parent.name} not found."


# Deletion


@pytest.fixture
def job(job_type):
    """A completed job with a file."""
    made = submitted(job_type, steps=[["a.txt"]])
    run(made)
    assert names(made) == ["a.txt"]
    return made


def test_files_go_with_their_job_once_its_deletion_is_committed(job):
    for undo in (lambda: frappe.db.rollback(), lambda: frappe.db.rollback(save_point="undeleted")):
        frappe.db.savepoint("undeleted")
        frappe.delete_doc(job.doctype, job.name)
        undo()
        frappe.db.commit()
        assert text(job, "a.txt") == "1"
    delete_jobs([job.name])
    assert files.on_disk(job)
    frappe.db.commit()
    assert not (job_files.folder() / job.name).exists()


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


@pytest.fixture
def delivered(alice):
    """A completed job of Alice's in Alpha, with a file."""
    made = submitted_by(alice, factory.job_type("note", "add_note"), title="test of files")
    assert run(made)["status"] == "Completed"
    return files.given(made)


def download(client: Client, job, name: str = NAME, **headers: str) -> requests.Response:
    return client.http.get(client.url + job_files.address_of(job.name, name), headers=headers, timeout=60)


@pytest.mark.parametrize("hidden_from", ["admin", "owner"])
def test_a_file_of_a_hidden_result_is_as_missing_as_one_that_is_not_there(web, delivered, alice, admin, hidden_from):
    if hidden_from == "admin":
        frappe.db.set_value("Job Type", delivered.job_type, "results_visible_to", "Owner Only")
        frappe.clear_document_cache("Job Type", delivered.job_type)
    else:
        frappe.get_doc("Organization", factory.ALPHA).update({"status": "Suspended"}).save()
    frappe.db.commit()
    client = Client(web).with_token(admin if hidden_from == "admin" else alice)
    assert client.get("get_job_status", job_id=delivered.name).status_code == 200
    hidden, missing = download(client, delivered), download(client, delivered, "x")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.text.replace(NAME, "x") == missing.text
    assert client.get("get_job_details", job_id=delivered.name).json()["message"]["files"] == []


def test_a_session_serves_as_well(web, delivered, alice):
    http.set_password(alice, "pw-of-alice")
    client = Client(web).log_in(alice, "pw-of-alice")
    assert download(client, delivered).content == SECRET


@pytest.mark.parametrize("name", ["page.html", 'Übersicht "2026"; a=b%0d%0aX-Test: x%2F?#.csv'])
def test_a_file_is_saved_under_its_name_and_never_shown(web, delivered, alice, name):
    files.given(delivered, b"<script>alert(1)</script>", name)
    answer = download(Client(web).with_token(alice), delivered, name)
    assert answer.status_code == 200, answer.text
    kind, _, given = answer.headers["Content-Disposition"].partition("; filename*=UTF-8''")
    assert (kind, unquote(given)) == ("attachment", name)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.content == b"<script>alert(1)</script>"


def test_the_web_server_sends_the_bytes_if_it_has_asked_for_that(web, delivered, alice, bob):
    files.given(delivered, SECRET, "Übersicht.csv")
    asked = {"X-Use-X-Accel-Redirect": "True"}
    answer = download(Client(web).with_token(alice), delivered, "Übersicht.csv", **asked)
    (path,) = [one for one in files.on_disk(delivered) if one.name == "Übersicht.csv"]
    below = path.relative_to(job_files.folder())
    assert answer.headers["X-Accel-Redirect"] == quote(f"/protected/private/files/dartwing_core/{below}")
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.content == b""
    refused = download(Client(web).with_token(bob), delivered, "Übersicht.csv", **asked)
    assert refused.status_code == 404
    assert "X-Accel-Redirect" not in refused.headers
