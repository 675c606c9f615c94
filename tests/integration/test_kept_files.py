"""Files that another app or a lock keeps, while the document behind them goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import frappe
import pytest

from dartwing_core.jobs import delete_jobs
from dartwing_core.jobs.recovery import retention
from dartwing_core.wall import guard  # noqa: F401 (loads all of the wall, as requests and workers do)
from tests.integration.test_retention import JOB, aged, ended, is_there
from tests.support import database, factory
from tests.support.files import on_disk
from tests.support.rows_about_ours import insert, removed
from tests.support.sessions import as_user

KEPT: set[str] = set()


def refuse(doc: Any, _method: str | None = None) -> None:
    """Another app's hook, which lets no such File be deleted."""
    if doc.name in KEPT:
        frappe.throw("kept by another app")


@pytest.fixture
def other_app(monkeypatch) -> Iterator[set[str]]:
    """The Files that another app keeps."""
    hooks = frappe.get_doc_hooks

    def with_another() -> dict[str, Any]:
        found = {doctype: {event: [*paths] for event, paths in events.items()} for doctype, events in hooks().items()}
        found.setdefault("File", {}).setdefault("on_trash", []).append(f"{__name__}.refuse")
        return found

    monkeypatch.setattr(frappe, "get_doc_hooks", with_another)
    yield KEPT
    KEPT.clear()


def attached(document: Any) -> Any:
    content = frappe.generate_hash()
    about = {"attached_to_doctype": document.doctype, "attached_to_name": document.name}
    return insert("File", file_name=f"test-{content}.txt", content=content, is_private=1, **about)


def mail_about(job: Any) -> Any:
    return insert("Communication", subject="x", content="x", reference_doctype=JOB, reference_name=job.name)


def test_a_kept_file_of_a_task_keeps_its_bytes_and_stays_hidden(site, other_app):
    # Seen failing: the bytes went after the commit though the row was back, and the row was shown to everybody.
    values = {"title": "Test Kept", "organization": factory.ALPHA, "job_type": "echo_job", "frequency": "Cron"}
    schedule = insert("Job Schedule", owner_user="Administrator", cron="0 0 1 1 *", **values)
    task = insert("ToDo", description="x", reference_type=schedule.doctype, reference_name=schedule.name)
    file = attached(task)
    stranger = factory.user("kept_stranger", factory.BETA, roles=("Desk User", "Dartwing User"))
    frappe.db.commit()
    other_app.add(file.name)
    frappe.delete_doc(schedule.doctype, schedule.name, ignore_permissions=True)
    frappe.db.commit()
    assert not frappe.db.exists("ToDo", task.name)
    assert on_disk(file).exists()
    assert as_user(stranger, frappe.get_list, "File", {"name": file.name}) == []
    other_app.clear()
    removed(file)


def test_a_job_that_is_not_deleted_keeps_the_bytes_of_its_mails(site, other_app):
    # Seen failing: they went after the commit, though the deletion of the job was undone.
    job = ended("Completed")
    of_mail, own = attached(mail_about(job)), attached(job)
    frappe.db.commit()
    other_app.add(own.name)
    answer = delete_jobs([job.name])
    frappe.db.commit()
    assert (job.name in answer["refused"]) == is_there(job)
    assert bool(frappe.db.exists("File", of_mail.name)) == on_disk(of_mail).exists()
    assert on_disk(own).exists()
    other_app.clear()
    removed(own)


def test_a_kept_file_of_a_mail_stops_no_clean_up_and_stays_hidden(site, other_app):
    # Seen failing: no older job was deleted any more, each day.
    first, second = ended("Completed"), ended("Completed")
    file = attached(mail_about(first))
    stranger = factory.user("kept_stranger", factory.BETA, roles=("Desk User", "Dartwing User"))
    frappe.db.commit()
    other_app.add(file.name)
    for job in (first, second):
        aged(job, 31)
    retention.clear_old_jobs(30)
    assert not is_there(first)
    assert not is_there(second)
    assert on_disk(file).exists()
    assert as_user(stranger, frappe.get_list, "File", {"name": file.name}) == []
    other_app.clear()
    frappe.db.set_value("File", file.name, "modified", "2001-01-01", update_modified=False)
    frappe.db.commit()
    retention.clear_old_jobs(30)
    frappe.db.rollback()
    assert not frappe.db.exists("File", file.name), "the clean-up tries again"
    assert not on_disk(file).exists()


def test_a_locked_file_stops_no_clean_up(site):
    # Seen failing: one File that somebody just saved ended the clean-up of that day.
    first, second = ended("Completed"), ended("Completed")
    file = attached(first)
    frappe.db.commit()
    for job in (first, second):
        aged(job, 31)
    with database.another_connection() as person, person.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE `tabFile` SET modified = NOW() WHERE name = %s", (file.name,))
        retention.clear_old_jobs(30)
        cursor.execute("ROLLBACK")
    assert not is_there(first)
    assert not is_there(second)
    removed(file)
