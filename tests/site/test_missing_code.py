"""A job whose code can't be imported waits for the deploy that brings it, and people are told what is missing.

Seen failing: each test of a job that waits, as a dead letter at once, without `find_to_run` at that look-up.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import frappe
import pytest

from dartwing_core.jobs import (
    UnknownHandlerError,
    enqueue,
    enqueue_doc,
    enqueueable,
    get_holdups,
    get_job_status,
    submit_job,
)
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.testing import run_jobs, time_passed
from dartwing_core.jobs.types.functions import HANDLERS_HOOK
from tests.support import contents, factory
from tests.support.jobs import reason, submitted, submitted_by
from tests.support.queues import serve
from tests.support.sessions import as_user, committed

pytestmark = pytest.mark.usefixtures("no_sweeps")
MODULE = "dw_test_acme.jobs"
PATH = f"{MODULE}.send"
WHOLE = """
from dartwing_core.jobs import TransientError, enqueueable, job_handler, submit_job

@job_handler
def send(context):
    match context.parameters.get("then"):
        case "import":
            import dw_test_nowhere
        case "submit":
            submit_job(context.parameters["what"], context.organization)
        case "fail":
            raise TransientError("once more")

@enqueueable
def call():
    return "called"
"""
HALF_A_LINE, WITHOUT_IT, NO_FILE = "def send(:", "rest = 1", None
ADVICE = "can't be imported. Deploy it, restart the workers, or check its name."
BROKEN = {
    "syntax": (HALF_A_LINE, f"{MODULE} {ADVICE} SyntaxError: invalid syntax (jobs.py, line 1)"),
    "module": (NO_FILE, f"{MODULE} {ADVICE} ModuleNotFoundError: No module named '{MODULE}'"),
    "attribute": (WITHOUT_IT, f"{PATH} {ADVICE} AttributeError: module '{MODULE}' has no attribute 'send'"),
}
FIELDS = ("crash_count", "due_epoch", "started_at")


@pytest.fixture
def deploy(site, tmp_path: Path, monkeypatch) -> Callable[[str | None], None]:
    """`deploy(text)`: the module has this text from now on, as it has for a worker that starts then. None: no file."""
    file = tmp_path / "dw_test_acme" / "jobs.py"
    file.parent.mkdir()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # its key is the second of the change
    monkeypatch.setitem(frappe.conf, HANDLERS_HOOK, [*frappe.conf[HANDLERS_HOOK], MODULE])
    monkeypatch.setitem(frappe.conf, "background_job_functions", [f"{MODULE}.call"])

    def write(text: str | None) -> None:
        file.unlink(missing_ok=True)
        if text is not None:
            file.write_text(text)
        for name in (MODULE, file.parent.name):
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(tmp_path)  # forgets what the folder held

    write(WHOLE)
    return write


@pytest.fixture
def job_type(deploy) -> str:
    return factory.job_type("acme", PATH, max_retries=0)


def after(seconds: float, job) -> frappe._dict:
    """The job after another attempt, so many seconds from now. `pause`: the seconds until its next one."""
    with time_passed(seconds):
        run_jobs()
    frappe.db.commit()
    own = frappe.db.get_value("Background Job", job.name, FIELDS, as_dict=True)
    pause = own.due_epoch - clock.to_epoch(own.started_at)
    return frappe._dict({**get_job_status(job.name), **own, "pause": pause})


@pytest.mark.parametrize("what", BROKEN)
def test_a_job_without_its_handler_waits_for_it_and_completes_when_it_is_there(deploy, job_type, what):
    text, said = BROKEN[what]
    job = submitted(job_type)
    deploy(text)
    first = after(0, job)
    assert (first.status, first.retry_count, first.crash_count) == ("Failed", 0, 0)
    assert (first.error_message, first.error_type) == (said, "Transient")
    assert re.fullmatch(r"The handler can't be imported\. Looks for it again at .* \(in \d+ s\)\.", reason(job))
    deploy(WHOLE)
    assert after(0, job).attempt == 1, "not before it is due"
    last = after(32, job)
    assert (last.status, last.attempt, last.error_message) == ("Completed", 2, None)


def test_the_pauses_double_up_to_ten_minutes_and_end_after_a_day(deploy, job_type):
    job = submitted(job_type)
    deploy(HALF_A_LINE)
    pauses = [after(seconds, job).pause for seconds in (0, 50, 150, 350, 750, 1_400, 80_000)]
    assert pauses == pytest.approx([30, 80, 180, 380, 600, 600, 600], abs=15)
    last = after(86_400 + 60, job)
    assert (last.status, last.retry_count, last.attempt) == ("Dead Letter", 0, 8)
    assert last.error_message == BROKEN["syntax"][1]


def test_the_day_begins_anew_once_the_handler_was_found(deploy):
    # Seen failing: without `unfound_since_epoch` in `Job.end`.
    job = submitted(factory.job_type("acme", PATH, max_retries=1, retry_delays="10"), then="fail")
    deploy(HALF_A_LINE)
    after(0, job)
    deploy(WHOLE)
    assert after(1_000, job).retry_count == 1
    deploy(HALF_A_LINE)
    again = after(86_400 + 2_000, job)
    assert (again.status, again.retry_count) == ("Failed", 1)
    assert again.pause == pytest.approx(30, abs=15)


@pytest.mark.parametrize(("then", "said"), [("import", "No module named 'dw_test_nowhere'"), ("submit", ADVICE)])
def test_a_handler_that_finds_no_code_has_failed_by_itself(deploy, job_type, then, said):
    # Seen failing: with ImportError or HandlerImportError beside CodeMissingError in `outcome.failure`.
    other = factory.job_type("other")
    job = submitted(job_type, then=then, what=other)
    frappe.db.set_value("Job Type", other, "handler_method", f"{factory.HANDLERS}.of_last_year")
    frappe.db.commit()
    last = after(0, job)
    assert last.status == "Dead Letter"
    assert said in last.error_message


def test_what_no_app_declares_is_a_dead_letter_at_once(deploy, job_type):
    # Seen failing: with HandlerImportError for functions that nobody has registered.
    job = submitted(job_type)
    frappe.db.set_value("Job Type", job_type, "handler_method", f"{factory.HANDLERS}.pause")
    frappe.db.commit()
    assert after(0, job).status == "Dead Letter"


def test_a_function_and_a_method_wait_for_their_code_too(deploy, monkeypatch):
    note = frappe.get_doc({"doctype": "Note", "title": "test note", "public": 1}).insert()
    with monkeypatch.context() as patch:
        patch.setattr(type(note), "shout", enqueueable(lambda self: self.title), raising=False)
        method = committed(enqueue_doc, "Note", note.name, "shout", job_organization=factory.ALPHA)
    function = committed(enqueue, f"{MODULE}.call", job_organization=factory.ALPHA)
    deploy(HALF_A_LINE)
    for job, said in ((method, f"Note.shout {ADVICE}"), (function, BROKEN["syntax"][1])):
        found = after(0, job)
        assert found.error_message.startswith(said[:100])
        assert (found.status, found.retry_count) == ("Failed", 0)
    deploy(WHOLE)
    assert after(32, function).status == "Completed"


def test_the_line_above_lists_names_what_is_missing_to_those_who_see_the_jobs(deploy, job_type, alice, bob):
    # Seen failing: without `can_see_condition` in `missing_code`.
    serve("one", "default")
    colleague = factory.user("carol", factory.ALPHA)
    admin = factory.user("alpha_admin", factory.ALPHA, org_role="Admin", roles=())

    def told(user: str) -> list[dict]:
        return as_user(user, get_holdups)

    jobs = [submitted_by(alice, job_type, n=number) for number in range(3)]
    deploy(HALF_A_LINE)
    run_jobs()
    for user in (alice, admin, "Administrator"):
        assert told(user) == [{"reason": BROKEN["syntax"][1], "link": None}]
    assert told(colleague) == told(bob) == []
    deploy(WHOLE)
    for job in jobs:
        contents.store(job.name, {"due_epoch": 0})
    run_jobs()
    assert told(alice) == told("Administrator") == []


def test_a_job_whose_handler_can_not_be_imported_is_refused(deploy, job_type):
    # Seen failing: with CodeMissingError, which is no UnknownHandlerError, for all look-ups.
    deploy(HALF_A_LINE)
    with pytest.raises(UnknownHandlerError, match=re.escape(BROKEN["syntax"][1])):
        submit_job(job_type, factory.ALPHA)
