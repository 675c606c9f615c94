"""What owners are told of the ends of their jobs: once, in moderation, and nobody else."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs.job import notices
from dartwing_core.jobs.sweep import sweeper
from tests.support import factory
from tests.support.jobs import lose, run, submitted_by, submitted_with
from tests.support.listener import listening
from tests.support.sessions import as_user, committed


@pytest.fixture(autouse=True)
def _nobody_was_told_before():
    _forget()
    yield
    _forget()


def _forget() -> None:
    frappe.cache.delete_keys("dartwing_core:limit:told:")
    frappe.db.delete("Notification Log", {"document_type": "Background Job"})
    for name in frappe.get_all("Notification Settings", filters={"name": ["like", "%test%"]}, pluck="name"):
        frappe.db.set_value("Notification Settings", name, "enabled", 1)  # without them Desk does not open
    frappe.db.commit()


def made(handler: str = "add_note", **values) -> str:
    return factory.job_type(handler, handler, **values)


def told(user: str) -> list[dict]:
    frappe.db.rollback()
    fields = ["subject", "document_type", "document_name", "type"]
    return frappe.get_all("Notification Log", filters={"for_user": user}, fields=fields, order_by="creation")


def failed(user: str, job_type: str, **parameters):
    job = submitted_by(user, job_type, title="test note", then="fail_for_good", **parameters)
    run(job)
    return job


@pytest.mark.parametrize(
    ("notify_on", "then", "expected"),
    [
        ("Failure", "fail_for_good", ["Job test_add_note failed"]),
        ("Failure", "return", []),
        ("Always", "return", ["Job test_add_note completed"]),
        ("Always", "fail_for_good", ["Job test_add_note failed"]),
        ("Always", "fail", []),
        ("Never", "fail_for_good", []),
    ],
)
def test_the_owner_is_told_what_the_job_type_says(alice, notify_on, then, expected):
    job = submitted_by(alice, made(notify_on=notify_on), title="test note", then=then)
    run(job)
    found = told(alice)
    assert [row.subject for row in found] == expected
    assert all((row.document_type, row.document_name) == ("Background Job", job.name) for row in found)


def test_a_notice_names_the_job_by_its_title(alice):
    run(submitted_by(alice, made(notify_on="Always", job_title="Note <{title}>"), title="test note"))
    assert [row.subject for row in told(alice)] == ["Job Note &lt;test note&gt; completed"]


def test_bell_and_toast_reach_the_owner_alone_with_a_link(alice, bob):
    with listening() as heard:
        job = failed(alice, made())
    rung = [(event, room) for event, room, _message in heard.messages if event in ("notification", "msgprint")]
    assert set(rung) == {("notification", f"user:{alice}"), ("msgprint", f"user:{alice}")}
    toast = next(message for event, _room, message in heard.messages if event == "msgprint")
    assert f"/background-job/{job.name}" in toast["message"]
    assert toast["alert"] == 1


def test_one_without_desk_is_led_to_the_job_center():
    # Seen failing: toast and notice led to Desk, which answers 403.
    portal = factory.user("portal", factory.ALPHA, roles=())
    assert frappe.db.get_value("User", portal, "user_type") == "Website User"
    with listening() as heard:
        job = failed(portal, made())
    toast = next(message for event, _room, message in heard.messages if event == "msgprint")
    assert f'/job-center#{job.name}"' in toast["message"]
    assert "/app/" not in toast["message"]
    frappe.db.rollback()
    (link,) = frappe.get_all("Notification Log", filters={"for_user": portal}, pluck="link")
    assert link.endswith(f"/job-center#{job.name}")


def test_a_notice_says_nothing_of_the_error(alice):
    # Seen failing: Frappe shows notices to more people than jobs.
    with listening() as heard:
        run(submitted_by(alice, made("fails_with"), message="a s3cret of <b>Alpha</b>"))
    assert told(alice)[0].subject == "Job test_fails_with failed"
    rung = [message for event, _room, message in heard.messages if event in ("notification", "msgprint")]
    assert "s3cret" not in str(rung)


def test_a_notice_does_not_name_whose_request_has_swept(alice, bob):
    # Frappe shows who made a Notification Log. Seen failing (a foreign user) without `notices.add_notice`.
    frappe.set_user(alice)
    parent = submitted_with(made("nothing"), available_at=3600)
    child = submitted_with(parent.job_type, depends_on=parent.name)
    committed(frappe.db.set_value, "Background Job", parent.name, "status", "Dead Letter")
    as_user(bob, sweeper.sweep)
    frappe.db.rollback()
    filters, fields = {"for_user": alice, "document_name": child.name}, ["owner", "modified_by"]
    (notice,) = frappe.get_all("Notification Log", filters, fields)
    assert (notice.owner, notice.modified_by) == (alice, alice)


def test_nobody_else_hears_that_somebody_has_a_notice(alice):
    # Seen failing: everybody with an account may listen to a list of notices, and heard for whom a new one was.
    with listening() as heard:
        notices.add_notice(alice, "of a test", document_type="Background Job", document_name="JOB-1K")
        frappe.db.commit()
    assert [event for event in heard.messages if event[0] == "list_update"] == []
    assert any(event == "notification" for event, _room, _message in heard.messages), "its user is told apart"


def test_many_failures_are_not_told_one_by_one(alice):
    # Broken by leaving out the second `redis_queue.count_within`.
    job_type = made()
    for number in range(notices.PER_HOUR + 3):
        failed(alice, job_type, number=number)
    found = told(alice)
    assert len(found) == notices.PER_HOUR + 1
    assert "only in the list" in found[-1].subject


def test_one_who_is_no_member_any_more_is_not_told():
    # Broken by leaving `visibility.can_see` out of `notices._notify_alike`.
    leaver = factory.user("leaver", factory.ALPHA)
    job = submitted_by(leaver, made(), title="test note")
    committed(frappe.db.delete, "Org Member", {"user": leaver})
    assert run(job)["status"] == "Dead Letter"
    assert told(leaver) == []


def test_one_who_wants_no_notifications_finds_none(alice):
    settings = frappe.get_doc({"doctype": "Notification Settings", "name": alice, "enabled": 0})
    settings.insert(ignore_permissions=True, ignore_if_duplicate=True)
    frappe.db.set_value("Notification Settings", alice, "enabled", 0)
    failed(alice, made())
    assert told(alice) == []


def test_the_end_of_a_lost_job_is_told_once(alice):
    job = submitted_by(alice, made("nothing"))
    frappe.db.set_value("Background Job", job.name, {"status": "Running", "attempt": 1, "crash_count": 2})
    lose(job)
    sweeper.sweep()
    sweeper.sweep()
    assert len(told(alice)) == 1
