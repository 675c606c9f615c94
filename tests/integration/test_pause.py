"""Paused site, queue, Job Type, organization; maintenance: nothing starts, submits are accepted, all goes on by itself.

Seen failing: without the passes in `on_update` of the three DocTypes; without the reasons in `claim._reason_to_hold`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import frappe
import pytest

from dartwing_core.jobs import admission, claim, executor, get_job_history, submit_job, sweeper
from tests.support import factory
from tests.support.jobs import next_entry, status, submitted
from tests.support.settings import settings

pytestmark = pytest.mark.usefixtures("no_sweeps")


@contextmanager
def changed(doctype: str, name: str, field: str, value, back) -> Iterator[None]:
    """A field of a document while the block runs, saved as people save it."""
    for number in (value, back):
        document = frappe.get_doc(doctype, name)
        document.set(field, number)
        document.save(ignore_permissions=True)
        frappe.db.commit()
        if number == value:
            yield


PAUSES: dict[str, tuple[Callable, str]] = {
    "site": (lambda: settings(is_paused=1), "Held: all jobs are paused"),
    "queue": (lambda: settings(paused_queues="default"), "Held: the queue default is paused"),
    "type": (lambda: changed("Job Type", "test_plain", "is_paused", 1, 0), "Held: jobs of this type are paused"),
    "organization": (
        lambda: changed("Organization", factory.ALPHA, "is_paused", 1, 0),
        "Held: the organization's jobs are paused",
    ),
    "suspended organization": (
        lambda: changed("Organization", factory.ALPHA, "status", "Suspended", "Active"),
        "Held: the organization is suspended",
    ),
}


@pytest.mark.parametrize("what", PAUSES)
def test_while_paused_nothing_starts_and_then_all_goes_on_by_itself(job_type, what):
    pause, reason = PAUSES[what]
    queued, running = submitted(job_type, n=1), submitted(job_type, n=2)
    attempt = executor.Attempt(claim.claim(running.name, 1))
    with pause():
        executor.execute_job(queued.name, 1)
        assert (status(queued), messages(queued)[-1]) == ("Pending", reason)
        attempt.make()
        assert status(running) == "Completed", "what runs finishes"
        later = None if what.startswith("suspended") else submitted(job_type, n=3)
        for _round in range(3):
            sweeper.sweep()
        assert later is None or status(later) == "Pending"
        assert messages(queued)[-1] == reason, "it is left alone while it waits"
        assert len(messages(queued)) == 3
    assert status(queued) == "Queued"
    assert later is None or status(later) == "Queued"


def messages(job) -> list[str]:
    return [event["message"] for event in get_job_history(job.name)["history"]]


def test_during_maintenance_nothing_starts_and_the_next_sweep_goes_on(job_type, monkeypatch):
    queued = submitted(job_type, n=1)
    with monkeypatch.context() as patch:
        patch.setitem(frappe.local.conf, "maintenance_mode", 1)
        executor.execute_job(queued.name, 1)
        later = submitted(job_type, n=2)
        sweeper.sweep()
        assert (status(queued), status(later)) == ("Pending", "Pending")
        assert messages(queued)[-1] == "Held: the site is being maintained"
    sweeper.sweep()
    assert (status(queued), status(later)) == ("Queued", "Queued")


@pytest.mark.parametrize("what", ["organization", "suspended organization"])
def test_jobs_of_a_paused_organization_keep_nobody_elses_from_the_straight_way(job_type, what, monkeypatch):
    with settings(queue_window=2):
        jobs = [submitted(job_type, n=n) for n in range(4)]
        with PAUSES[what][0]():
            for job in jobs:
                executor.execute_job(job.name, 1)
            sweeper.sweep()
            while next_entry():
                pass
            with monkeypatch.context() as patch:
                patch.setattr(admission, "admit", None)  # no pass
                other = submit_job(job_type, factory.BETA)
                frappe.db.commit()
            assert status(other) == "Queued"


def test_other_queues_and_types_go_on(job_type):
    other = factory.job_type("other", queue="short")
    frappe.db.commit()
    with settings(paused_queues="default\nlong"):
        assert status(submitted(other)) == "Queued"
    with changed("Job Type", job_type, "is_paused", 1, 0):
        assert status(submitted(other, n=2)) == "Queued"
        assert status(submitted(job_type)) == "Pending"


def test_an_unknown_queue_can_not_be_paused():
    with pytest.raises(frappe.ValidationError, match="no worker queue nowhere"), settings(paused_queues="nowhere"):
        pass
