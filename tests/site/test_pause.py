"""Paused site, queue, Job Type, organization; maintenance: nothing starts, submits are accepted, all goes on by itself.

Whoever is in line stays there, as it is. Seen failing: without the ring in `on_update` of the three DocTypes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import frappe
import pytest

from dartwing_core.jobs import executor, get_job_status, submit_job
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.read import waiting_reason
from dartwing_core.jobs.sweep import sweeper
from tests.support import attempts, factory, handlers, processes
from tests.support.jobs import messages, status, submitted
from tests.support.queues import listed
from tests.support.sessions import committed, elsewhere
from tests.support.settings import settings

pytestmark = pytest.mark.usefixtures("no_sweeps")


@contextmanager
def changed(doctype: str, name: str, field: str, value, back) -> Iterator[None]:
    """A field of a document while the block runs, saved as people save it."""
    _save(doctype, name, field, value)
    try:
        yield
    finally:
        _save(doctype, name, field, back)


def _save(doctype: str, name: str, field: str, value) -> None:
    frappe.db.rollback()
    document = frappe.get_doc(doctype, name)
    document.set(field, value)
    committed(document.save, ignore_permissions=True)


PAUSES: dict[str, tuple[Callable, str]] = {
    "site": (lambda: settings(is_paused=1), "All jobs are paused."),
    "queue": (lambda: settings(paused_queues="default"), "The queue default is paused."),
    "type": (lambda: changed("Job Type", "test_plain", "is_paused", 1, 0), "Jobs of this type are paused."),
    "organization": (
        lambda: changed("Organization", factory.ALPHA, "is_paused", 1, 0),
        "The jobs of the organization are paused.",
    ),
    "suspended organization": (
        lambda: changed("Organization", factory.ALPHA, "status", "Suspended", "Active"),
        "The organization is suspended.",
    ),
}


@pytest.mark.parametrize("what", PAUSES)
def test_while_paused_nothing_starts_and_then_all_goes_on_by_itself(job_type, what):
    pause, words = PAUSES[what]
    queued = submitted(job_type, n=1)
    running = None if "organization" in what else submitted(job_type, n=2)  # an attempt that starts asks for its state
    attempt = running and attempts.begun(running.name, 1)
    with pause():
        executor.execute_job(queued.name, 1)
        assert claim.Claimer().claim_next() is None
        assert (status(queued), reason(queued)) == ("Queued", words)
        if attempt:
            attempt.make()
            assert status(running) == "Completed", "what runs finishes"
        processes.queue_client().flushdb()
        later = [] if what.startswith("suspended") else [submitted(job_type, n=3)]
        assert listed("default") == [], "nobody is woken for a job that may not start"
        for _round in range(3):
            assert sweeper.sweep().rung == 0
        assert {status(job) for job in (queued, *later)} == {"Queued"}
        assert messages(queued) == ["Job created", "Job enqueued"], "it is left alone while it waits"
    assert listed("default") == [queued.name], "workers look at once"
    assert attempts.run_all() == [job.name for job in (queued, *later)]


def reason(job) -> str | None:
    return waiting_reason.of_job(frappe.db.get_value("Background Job", job.name, waiting_reason.FIELDS, as_dict=True))


def test_during_maintenance_nothing_starts_and_the_next_sweep_goes_on(job_type, monkeypatch):
    queued = submitted(job_type, n=1)
    with monkeypatch.context() as patch:
        patch.setitem(frappe.local.conf, "maintenance_mode", 1)
        executor.execute_job(queued.name, 1)
        later = submitted(job_type, n=2)
        processes.queue_client().flushdb()
        assert sweeper.sweep().rung == 0
        assert claim.Claimer().claim_next() is None
        assert (status(queued), status(later)) == ("Queued", "Queued")
        assert reason(queued) == "The site is being maintained."
    assert sweeper.sweep().rung == 1
    assert attempts.run_all() == [queued.name, later.name]


@pytest.mark.parametrize("what", ["organization", "suspended organization"])
def test_jobs_of_a_paused_organization_keep_nobody_else_waiting(job_type, what):
    for n in range(4):
        submitted(job_type, n=n)
    with PAUSES[what][0]():
        other = committed(submit_job, job_type, factory.BETA)
        assert attempts.run_all() == [other.name]


def test_an_attempt_whose_organization_was_paused_since_the_look_goes_back_into_line(job_type):
    # A look is good for a quarter of a second.
    job = submitted(job_type)
    claimer = claim.Claimer()
    claimer.view = claim.queue_view.read_view()
    claimer.view.good_until = float("inf")
    with PAUSES["organization"][0]():
        attempts.of(claimer.claim_from_view()).make()
        frappe.set_user("Administrator")
        assert messages(job)[-1] == "Put back in line: The organization is paused or suspended."
        sweeper.sweep()
        assert (status(job), get_job_status(job.name)["retry_count"]) == ("Queued", 0)
        assert claim.Claimer().claim_next() is None
    assert claim.Claimer().claim_next().name == job.name


@pytest.mark.parametrize("what", ["everything", "its type", "a type that it submits"])
def test_a_pause_while_a_handler_runs_stays_in_force(what, monkeypatch):
    # Seen failing: handler and settle read settings and types in an old snapshot, and Frappe's cache kept them for all.
    kind, other = factory.job_type("plain", "nothing"), factory.job_type("other", "nothing")
    name = other if what == "a type that it submits" else kind
    paused = ("Job Engine Settings", "Job Engine Settings") if what == "everything" else ("Job Type", name)
    pause = partial(_save, *paused, "is_paused")

    def paused_meanwhile(context):
        frappe.db.count("User")  # opens the snapshot
        elsewhere(pause, 1)
        submit_job(other, factory.ALPHA, {"n": 2})

    monkeypatch.setattr(handlers, "nothing", handlers.job_handler(paused_meanwhile))
    job = submitted(kind)
    try:
        assert attempts.run_next() == job.name
        frappe.db.rollback()
        in_force = config.settings() if what == "everything" else config.job_type(name)
        assert (status(job), in_force.is_paused) == ("Completed", 1)
    finally:
        pause(0)


@pytest.mark.parametrize("what", ["everything", "its type"])
def test_a_claim_heeds_a_pause_that_the_cache_does_not_know(what):
    # Seen failing: somebody's long transaction filled Frappe's cache from its old snapshot.
    job = submitted(kind := factory.job_type("plain"))
    paused = ("Job Type", kind) if what == "its type" else ("Job Engine Settings", "Job Engine Settings")
    frappe.db.rollback()
    frappe.db.count("User")  # opens the snapshot
    try:
        elsewhere(partial(_save, *paused, "is_paused"), 1)
        assert not frappe.get_cached_doc(*paused).is_paused
        frappe.db.rollback()
        assert attempts.run_next() is None
        executor.execute_job(job.name, 1)
        assert status(job) == "Queued"
    finally:
        _save(*paused, "is_paused", 0)
    assert attempts.run_next() == job.name


def test_other_queues_and_types_go_on(job_type):
    other = factory.job_type("other", queue="short")
    paused = submitted(job_type, n=0)
    beside = submitted(other)
    with settings(paused_queues="default\nlong"):
        assert attempts.run_all() == [beside.name]
    with changed("Job Type", job_type, "is_paused", 1, 0):
        beside = submitted(other, n=2)
        assert attempts.run_all() == [beside.name]
    assert attempts.run_all() == [paused.name]


def test_an_unknown_queue_can_not_be_paused():
    with pytest.raises(frappe.ValidationError, match="no worker queue nowhere"), settings(paused_queues="nowhere"):
        pass
