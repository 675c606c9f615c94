"""Realtime: what the job's owner and whoever has it open are told, and what nobody is told."""

from __future__ import annotations

from datetime import datetime

import frappe
import pytest

from dartwing_core.jobs import cancel_job, submit_job
from tests.support import factory
from tests.support.jobs import run, submitted, submitted_by
from tests.support.lifecycle import made
from tests.support.listener import Heard, listening

STATUS, PROGRESS = "job_status_changed", "job_progress"


@pytest.fixture
def heard():
    with listening() as found:
        yield found


def moves(heard: Heard, job, room: str) -> list[tuple[str, str]]:
    return [(message["from_status"], message["to_status"]) for message in heard.of(job, STATUS, room)]


def doc_room(job) -> str:
    return f"doc:Background Job/{job.name}"


def test_owner_and_viewers_of_the_job_hear_each_change_once(alice):
    # Broken by leaving out `_take_own_callbacks` in `sql.commit`: the claim is told with the settle, or never.
    with listening() as heard:
        job = submitted_by(alice, made("add_note"), title="test note")
        run(job)
    after = [("Queued", "Running"), ("Running", "Completed")]
    assert moves(heard, job, f"user:{alice}") == [("Pending", "Queued"), *after]
    assert moves(heard, job, doc_room(job)) == after, "nobody can have a new job open"
    rooms = {room for _event, room, message in heard.messages if message.get("job_id") == job.name}
    assert rooms == {f"user:{alice}", doc_room(job)}, "and nobody else"
    times = [message["updated_at"] for message in heard.of(job, STATUS, doc_room(job))]
    assert times == sorted(times)
    assert datetime.fromisoformat(times[0]).tzinfo


def test_what_is_rolled_back_is_not_told():
    # Broken by publishing in `record.Job` instead of after the commit.
    job = submitted(made("nothing"))
    with listening() as heard:
        cancel_job(job.name)
        frappe.db.rollback()
        submit_job(made("nothing"), factory.ALPHA, {"other": 1})
        frappe.db.rollback()
    assert [message for message in heard.messages if message[0] == STATUS] == []


def test_an_error_and_an_output_are_told_to_the_owner_and_the_room_of_a_job_hears_no_texts():
    # Seen failing: the socket of a user who had left, opened before, heard errors and messages of colleagues' jobs.
    with listening() as heard:
        failed = submitted(made("add_note", max_retries=0), title="test note", then="fail_for_good")
        run(failed)
        stepped = submitted(made("stepped"))
        run(stepped)
        done = submitted(made("add_note"), title="test note")
        run(done)
    own = f"user:{failed.owner_user}"
    assert heard.of(failed, STATUS, own)[-1]["error_message"] == "asked to fail for good"
    assert heard.of(done, STATUS, own)[-1]["output_reference"] == frappe.db.get_value("Note", {}, "name")
    told = [message for job in (failed, stepped, done) for message in heard.of(job, STATUS, doc_room(job))]
    assert {key for message in told for key in message} == {"job_id", "from_status", "to_status", "updated_at"}
    progress = heard.of(stepped, PROGRESS, doc_room(stepped))
    assert progress
    assert {(message["progress_message"], message["steps"]) for message in progress} == {(None, None)}


def test_the_output_of_a_suspended_organization_is_not_told():
    # Broken by leaving the organization's state out of `events._add_changes`.
    job_type = made("suspends")
    with listening() as heard:
        job = submitted(job_type)
        assert run(job)["status"] == "Completed"
    assert "output_reference" not in heard.of(job, STATUS, f"user:{job.owner_user}")[-1]


def test_who_has_left_the_organization_hears_nothing_of_how_their_job_ends(alice):
    # A socket outlives a membership. Broken by leaving `visibility.can_see` out of `events._add_changes`.
    job = submitted_by(alice, made("add_note", max_retries=0), title="test note", then="fail_for_good")
    frappe.db.set_value("Org Member", {"user": alice}, "status", "Inactive")
    frappe.db.commit()
    with listening() as heard:
        assert run(job)["status"] == "Dead Letter"
    assert "Dead Letter" not in dict(moves(heard, job, f"user:{alice}")).values()
    assert "error_message" not in heard.of(job, STATUS, doc_room(job))[-1]


def test_progress_is_told_at_most_once_a_second_and_always_the_last():
    # Broken by PROGRESS_INTERVAL = 0.
    with listening() as heard:
        job = submitted(made("slow", default_timeout=60), seconds=2.5)
        run(job)
    told = heard.of(job, PROGRESS, f"user:{job.owner_user}")
    assert 3 <= len(told) <= 5, told
    in_room = heard.of(job, PROGRESS, doc_room(job))
    assert [message["progress"] for message in in_room] == [message["progress"] for message in told]
    assert (told[-1]["progress"], told[-1]["progress_message"]) == (100, "Step 100")
    assert 0 < told[0]["progress"] < 60
    assert set(told[0]) == {"job_id", "status", "progress", "progress_message", "steps", "logged_lines", "updated_at"}


def test_a_redis_that_is_down_fails_no_settle(monkeypatch):
    # Broken by publishing without `redis_queue.if_there`.
    job = submitted(made("slow"), seconds=0.1)
    monkeypatch.setitem(frappe.local.conf, "redis_queue", "redis://127.0.0.1:1")
    assert run(job)["status"] == "Completed"
