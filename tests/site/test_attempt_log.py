"""The lines that a handler logs: kept however the attempt ends, bounded, live, and only for its job's people."""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs import get_job_details
from dartwing_core.jobs.run import context, heartbeat
from tests.support import contents, database, factory
from tests.support.jobs import run, submitted, submitted_by
from tests.support.listener import listening
from tests.support.sessions import Meanwhile, as_user
from tests.support.waiting import until


def logging(**values) -> str:
    return factory.job_type("logs", "logs", **values)


def log_of(job, user: str = "Administrator") -> list[dict]:
    return as_user(user, lambda: get_job_details(job.name))["attempts"][-1]["log"]


def texts_of(job) -> list[str]:
    return [line["text"] for line in log_of(job)]


@pytest.mark.parametrize("fails", [False, True])
def test_the_log_is_kept_however_the_attempt_ends(alice, fails):
    job = submitted_by(alice, logging(), lines=[["read"], ["odd row", "warning"]], fails=fails)
    run(job)
    lines = log_of(job, alice)
    assert [(line["level"], line["text"]) for line in lines] == [("info", "read"), ("warning", "odd row")]
    offset = as_user(alice, lambda: get_job_details(job.name))["created_at"][-6:]
    assert {line["logged_at"][-6:] for line in lines} == {offset}


def test_the_newest_lines_are_kept_and_each_is_cut():
    most, length = context.MOST_LINES, context.LINE_LENGTH
    job = submitted(logging(), lines=[[f"line {number}"] for number in range(most + 5)] + [["x" * 2 * length]])
    run(job)
    kept = texts_of(job)
    assert (len(kept), kept[0], kept[-1]) == (most, "line 6", "x" * length)


def test_others_see_it_while_the_job_runs(tmp_path, monkeypatch):
    # Broken by leaving the log out of the heartbeat.
    for name in ("FIRST_BEAT", "LOOK_INTERVAL", "PROGRESS_INTERVAL"):
        monkeypatch.setattr(heartbeat, name, getattr(heartbeat, name) / 10)
    end = tmp_path / "end"
    job = submitted(logging(default_timeout=60), lines=[["read"]], until=str(end))
    with listening() as heard:
        running = Meanwhile(lambda: run(job))
        stored = "SELECT sealed_log_lines FROM `tabBackground Job Run` WHERE background_job = %s"
        until(lambda: database.value(stored, job.name), 20, "the heartbeat's log")
        assert "read" not in database.value(stored, job.name)
        frappe.db.rollback()  # a fresh snapshot
        lines = json.loads(contents.stored({"background_job": job.name}, "log_lines", contents.RUN))
        assert [line["text"] for line in lines] == ["read"]
        end.touch()
        running.answer()
    told = heard.of(job, "job_progress", f"user:{job.owner_user}")
    assert told[-1]["logged_lines"] == 1
