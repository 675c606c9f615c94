"""`enqueue`: calls of `frappe.enqueue` become jobs, and nobody but code of the site says what is called."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.handlers import enqueued
from dartwing_core.jobs import (
    InvalidJobError,
    UnknownHandlerError,
    current,
    enqueue,
    enqueue_doc,
    enqueueable,
    get_job_details,
    retry_job,
    submit_batch,
    submit_job,
    submit_jobs,
)
from dartwing_core.jobs.types import functions
from tests.support import enqueued_functions, factory
from tests.support.enqueued_functions import NAME, by_pattern, not_registered, refuse, send
from tests.support.jobs import run
from tests.support.sessions import as_user, committed

TYPE = "enqueued_function"


@pytest.fixture(autouse=True)
def _registered(site, no_sweeps, monkeypatch) -> None:
    names = ("by_*", "send", "refuse")
    monkeypatch.setitem(frappe.conf, functions.HOOK, [f"{NAME}.{name}" for name in names])


def test_a_call_of_frappes_is_a_job_of_the_user(alice):
    job = as_user(alice, lambda: enqueue(send, customer="Ann", amount=2.5, queue="short", job_name="To Ann"))
    frappe.db.commit()
    assert (job.owner_user, job.organization, job.queue) == (alice, factory.ALPHA, "short")
    assert (job.job_title, job.timeout_seconds, job.status) == ("To Ann", 300, "Pending")
    done = run(job)
    assert done["status"] == "Completed", done
    assert done["result"] == {"customer": "Ann", "amount": 2.5, "user": alice, "job": job.name}
    assert current() is None


@pytest.mark.parametrize(
    ("named", "columns"),
    [
        ({}, {"queue": "default", "timeout_seconds": 300, "priority": "Normal", "job_title": "send"}),
        ({"queue": "long"}, {"queue": "long", "timeout_seconds": 1_500}),
        ({"timeout": 7_200}, {"timeout_seconds": 7_200}),
        ({"at_front": True}, {"priority": "High", "queue": "default"}),
        ({"enqueue_after_commit": True, "event": "all"}, {"status": "Pending"}),
    ],
)
def test_arguments_of_frappe_enqueue_mean_what_they_meant(alice, named, columns):
    job = as_user(alice, lambda: enqueue(f"{NAME}.send", customer=frappe.generate_hash(), **named))
    assert {field: job.get(field) for field in columns} == columns
    frappe.db.rollback()


def test_equal_calls_are_jobs_of_their_own_unless_they_are_to_be_deduplicated(alice):
    def twice(**named):
        return [as_user(alice, lambda: enqueue(send, customer="Ann", **named)).name for _ in range(2)]

    first, second = twice()
    assert first != second
    first, second = twice(job_id="ann", deduplicate=True)
    assert first == second
    other = as_user(alice, lambda: enqueue(by_pattern, n=1, job_id="ann", deduplicate=True))
    assert other.name != first, "an id is a function's own"
    frappe.db.commit()
    with pytest.raises(InvalidJobError, match="`job_id` parameter is required"):
        enqueue(send, customer="Ann", deduplicate=True, job_organization=factory.ALPHA)


@pytest.mark.parametrize("named", [{"now": True}, {"is_async": False}])
def test_what_is_to_run_now_runs_in_this_process(alice, named):
    told = as_user(alice, lambda: enqueue(send, customer="Ann", **named))
    assert (told["customer"], told["user"], told["job"]) == ("Ann", alice, None)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (not_registered, "not_registered in the hook background_job_functions"),
        ("dartwing_core.install.after_install", "is not a registered function: decorate it with @enqueueable"),
        ("os.system", "os.system is not registered: the app os is not installed"),
        (f"{NAME}.by_nobody", "has no attribute 'by_nobody'"),
        ("no path", "no path is not a dotted path"),
        (lambda: None, "is not a dotted path"),
    ],
)
def test_only_registered_functions_are_enqueued(method, said):
    with pytest.raises(UnknownHandlerError, match=said):
        enqueue(method, job_organization=factory.ALPHA)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"n": 1, "m": 2}, "unexpected keyword argument 'm'"), ({}, "missing a required argument: 'n'")],
)
def test_arguments_that_do_not_fit_are_refused_at_the_call(arguments, said):
    # Seen failing: the job was accepted, and ended as a dead letter with a TypeError.
    with pytest.raises(InvalidJobError, match=f"by_pattern can't be called with these arguments: .*{said}"):
        enqueue(by_pattern, job_organization=factory.ALPHA, **arguments)


def test_a_document_is_no_argument(site):
    # Seen failing: the function got a dict of all its fields, and the row kept them.
    with pytest.raises(InvalidJobError, match="customer is a document: pass its name"):
        enqueue(send, customer=frappe.get_doc("User", "Administrator"), job_organization=factory.ALPHA)


def test_a_method_of_a_document_runs_if_its_class_has_registered_it(alice, monkeypatch):
    note = frappe.get_doc({"doctype": "Note", "title": "test note", "public": 1}).insert()
    monkeypatch.setattr(type(note), "shout", enqueueable(lambda self, by="!": self.title + by), raising=False)
    job = as_user(alice, enqueue_doc, "Note", note.name, "shout", "long", 77, by="?", at_front_when_starved=True)
    frappe.db.commit()
    assert (job.queue, job.timeout_seconds) == ("long", 77), "by their places"  # seen failing: it ran at once
    assert run(job)["result"] == "test note?"
    assert as_user(alice, enqueue_doc, "Note", note.name, "shout", now=True) == "test note!"
    assert job.job_title == f"shout {note.name}"
    with pytest.raises(InvalidJobError, match="shout can't be called with these arguments"):
        enqueue_doc("Note", note.name, "shout", bye="?")
    with pytest.raises(UnknownHandlerError, match="delete of Note is not registered"):
        enqueue_doc("Note", note.name, "delete")
    with pytest.raises(UnknownHandlerError, match="delete of Note is not registered"):
        enqueued.run_doc_method("Note", note.name, "delete")


def test_a_pattern_registers_nothing_that_its_module_has_imported(monkeypatch):
    # Seen failing: with `your_app.tasks.*`, also what such a module had imported: `subprocess.run`, say.
    path = f"{NAME}.insert_anything"
    monkeypatch.setattr(enqueued_functions, "insert_anything", frappe.get_doc, raising=False)
    monkeypatch.setitem(frappe.conf, functions.HOOK, [f"{NAME}.*"])
    with pytest.raises(UnknownHandlerError, match="is not a registered function"):
        functions.resolve(path)
    assert functions.resolve(f"{NAME}.by_pattern") is by_pattern, "which no decorator marks"
    monkeypatch.setitem(frappe.conf, functions.HOOK, [path])
    assert functions.resolve(path) is frappe.get_doc, "the hook names it"


def test_the_organization_is_named_where_there_are_several(alice):
    committed(factory.member, alice, factory.BETA)
    with pytest.raises(InvalidJobError, match="organization is missing"):
        as_user(alice, lambda: enqueue(send, customer="Ann"))
    job = as_user(alice, lambda: enqueue(send, customer="Ann", job_organization=factory.BETA))
    assert job.organization == factory.BETA
    frappe.db.rollback()


# Nobody else says what is called ------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"is_enqueued": True}, {"queue": "short"}])
def test_nobody_but_enqueue_says_what_is_called(alice, more):
    # Seen failing: what enqueue had submitted was submitted again, and its `job_id` was taken by another job.
    genuine = as_user(alice, lambda: enqueue(send, customer="Ann"))
    frappe.db.commit()
    parameters = frappe.parse_json(genuine.input_parameters)
    request = {"job_type": TYPE, "organization": factory.ALPHA, "parameters": parameters}
    plain = {**request, "job_type": "echo_job"}
    for submit in (
        lambda: submit_jobs([{**request, **more}]),
        lambda: submit_job(**request),
        lambda: submit_batch(factory.ALPHA, [{**request, **more}]),
        lambda: submit_batch(factory.ALPHA, [plain], on_complete=request),
    ):
        with pytest.raises(InvalidJobError, match=r"Only enqueue|Invalid arguments"):
            as_user(alice, submit)
    values = {"title": "Test Enqueued", "frequency": "Cron", "cron": "0 0 1 1 *", "owner_user": alice}
    schedule = frappe.get_doc({"doctype": "Job Schedule", **values, "organization": factory.ALPHA, "job_type": TYPE})
    schedule.parameters = genuine.input_parameters
    with pytest.raises(frappe.ValidationError, match="Only enqueue in Python"):
        schedule.insert()
    factory.job_type("another_name")
    frappe.get_doc("Job Type", "test_another_name").update({"handler_method": functions.HANDLER}).save()
    frappe.db.commit()
    with pytest.raises(InvalidJobError, match="Only enqueue in Python"):
        as_user(alice, lambda: submit_job("test_another_name", factory.ALPHA, parameters))


def test_an_enqueued_job_keeps_its_parameters(alice):
    dead = as_user(alice, lambda: enqueue(refuse))
    frappe.db.commit()
    run(dead)
    assert as_user(alice, lambda: get_job_details(dead.name))["can_edit"] is False
    other = {"method": f"{NAME}.send", "arguments": {}}
    with pytest.raises(InvalidJobError, match="can't be changed"):
        as_user(alice, lambda: retry_job(dead.name, parameters=other))
    as_user(alice, lambda: retry_job(dead.name))
    frappe.db.commit()
    assert run(dead, 2)["status"] == "Dead Letter"
