"""What happens between two jobs of a process: hooks, callbacks and time limits of one never touch the other."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

import frappe
import pytest
from rq.timeouts import JobTimeoutException

from dartwing_core.jobs import enqueue, executor, get_job_history, get_job_status
from dartwing_core.jobs.job import event_jobs, events
from dartwing_core.jobs.lib import config, connection
from dartwing_core.jobs.line import queue_view
from dartwing_core.jobs.rq import redis_queue
from dartwing_core.jobs.run import between
from dartwing_core.jobs.sweep import rescue
from tests.support import database, factory, processes, remains
from tests.support.jobs import submitted, submitted_by, submitted_for
from tests.support.remains import REMAINS
from tests.support.sessions import committed, elsewhere
from tests.support.settings import settings
from tests.support.slices import run_entry, run_slice, statuses
from tests.support.waiting import until

# RQ's class for time limits takes the alarm that pytest-timeout uses.
pytestmark = [pytest.mark.usefixtures("no_sweeps"), pytest.mark.timeout(300, method="thread")]

OTHER = frappe._dict(name="of another job")


def of_faults(name: str) -> str:
    return factory.job_type(name.replace("_", " "), f"{factory.FAULTS}.{name}", max_retries=0)


@pytest.fixture
def shared(monkeypatch) -> None:
    """A settle and the next start share their commit however long a look takes."""
    monkeypatch.setattr(queue_view, "LONGEST", 60.0)
    monkeypatch.setattr(queue_view, "SHARE", 1e6)


@pytest.mark.parametrize("is_shared", [True, False], ids=["one commit", "two commits"])
def test_two_tenants_jobs_in_turn_share_nothing_of_frappes_context(alice, bob, monkeypatch, is_shared):
    monkeypatch.setattr(queue_view, "LONGEST", 60.0 if is_shared else 0.0)
    monkeypatch.setattr(queue_view, "SHARE", 1e6)
    leave, look = (factory.job_type(name, f"{factory.REMAINS}.{name}") for name in ("leaves", "looks"))
    frappe.db.set_value("User", bob, "language", "de")
    frappe.db.commit()
    first, pairs = submitted_for(bob, factory.BETA, look, n="first"), {}
    for what in REMAINS:
        left = submitted_by(alice, leave, what=what, fails=False)
        pairs[what] = left, submitted_for(bob, factory.BETA, look, n=what)
    run_slice(first)
    expected = get_job_status(first.name)["result"]
    assert (expected["user"], expected["language"]) == (bob, "de")
    found = {what: get_job_status(after.name)["result"] for what, (_left, after) in pairs.items()}
    assert {what: signs for what, signs in found.items() if signs != expected} == {}


def test_what_a_hook_has_put_into_the_context_is_the_same_after_a_job():
    frappe.local.of_a_hook = {"documents": [{"seen_by": "nobody"}]}
    context = between.Context()
    frappe.local.of_a_hook["documents"][0]["seen_by"] = "a tenant"
    context.restore()
    assert frappe.local.of_a_hook == {"documents": [{"seen_by": "nobody"}]}
    del frappe.local.of_a_hook


@pytest.mark.parametrize("end", ["fails", "is canceled", "takes too long", "is a function"])
def test_the_connection_is_renewed_after_an_attempt_that_did_not_simply_complete(end):
    leave = factory.job_type("leaves", f"{factory.REMAINS}.leaves_a_variable", max_retries=0, default_timeout=1)
    look = factory.job_type("looks", f"{factory.REMAINS}.looks_for_a_variable")
    if end == "is a function":
        enqueue(f"{factory.REMAINS}.set_variable", job_organization=factory.ALPHA)
        frappe.db.commit()
    else:
        submitted(leave, end=end)
    after = submitted(look, n=2)
    run_slice(OTHER)
    assert get_job_status(after.name)["result"] == {"left": None}


def test_a_process_that_grows_in_a_short_job_runs_no_other_job(shared, monkeypatch):
    # Seen failing: it was looked at before the handler, and the settle claimed the next job.
    looks = factory.job_type("looks", f"{factory.REMAINS}.looks")
    jobs = [submitted(looks, n=n) for n in range(2)]
    monkeypatch.setattr(remains, "found", lambda: monkeypatch.setattr(between, "MEMORY_LIMIT", 0))
    run_slice(jobs[0])
    assert statuses(jobs) == ["Completed", "Queued"]


@pytest.mark.parametrize("error", [RuntimeError("of another tenant's job"), database.DRIVERS[0].OperationalError(1213)])
def test_an_error_in_the_claim_of_the_next_job_does_not_fail_the_one_before(error, shared, monkeypatch):
    # Seen failing: the first job was a dead letter, though it had done its work.
    jobs = [submitted(factory.job_type("plain", max_retries=0), n=n) for n in range(2)]
    rows_for = event_jobs.rows_for

    def refuse_second(changed: Any, from_status: Any, to_status: str, *more: Any) -> Any:
        if to_status == "Running" and jobs[1].name in [job["name"] for job in changed] and not refused:
            refused.append(1)
            raise error
        return rows_for(changed, from_status, to_status, *more)

    refused: list[int] = []
    monkeypatch.setattr(event_jobs, "rows_for", refuse_second)
    run_slice(jobs[0])
    assert refused
    assert statuses(jobs) == ["Completed", "Completed"]


def test_a_process_whose_attempt_was_overtaken_takes_no_other_job(job_type):
    # Seen failing for attempts that raise. Whoever has overtaken it may be about to stop the process.
    jobs = [submitted(of_faults("is_overtaken_and_fails"), n=1), submitted(job_type, n=2)]
    run_slice(jobs[0])
    assert statuses(jobs) == ["Running", "Queued"]


def test_a_hook_that_refuses_a_job_fails_its_attempt_alone(job_type, monkeypatch):
    # Seen failing: the job ran without what the hook sets, such as a tenant's scope.
    jobs = [submitted(job_type, n=n) for n in range(3)]

    def refuse(job: Any) -> None:
        if job.name == jobs[1].name:
            raise frappe.PermissionError("not today")

    monkeypatch.setattr(between, "call_before_job", refuse)
    run_slice(jobs[0])
    assert statuses(jobs) == ["Completed", "Dead Letter", "Completed"]
    assert "not today" in get_job_status(jobs[1].name)["error_message"]


def test_hooks_are_told_of_the_job_that_runs_and_not_of_the_one_that_an_entry_names(job_type, monkeypatch):
    jobs = [submitted(job_type, n=n) for n in range(2)]
    told: list[str] = []
    monkeypatch.setattr(between, "call_before_job", lambda job: told.append(job.name))
    run_slice(OTHER)
    assert told == [job.name for job in jobs]


@pytest.fixture
def hooks(monkeypatch) -> dict[str, list[Any]]:
    """What another app declares, by the name of the hook."""
    declared: dict[str, list[Any]] = {}
    get_hooks = frappe.get_hooks
    monkeypatch.setattr(frappe, "get_hooks", lambda name, *more: declared.get(name) or get_hooks(name, *more))
    monkeypatch.setattr(config, "FACT_SECONDS", -1.0)
    config._facts.clear()
    return declared


def test_hooks_are_called_in_pairs_within_the_pair_of_the_entry(job_type, hooks):
    # Seen failing: `after_job` alone was called for the job that the entry names, and for one whose type is gone.
    gone = factory.job_type("gone")
    jobs = [submitted(kind, n=n) for n, kind in enumerate((job_type, gone, job_type))]
    committed(frappe.db.delete, "Job Type", {"name": gone})
    told: list[tuple[str, str]] = []
    for name in ("before_job", "after_job"):
        hooks[name] = [lambda kwargs, name=name: told.append((name, kwargs["background_job"]))]
    run_entry(jobs[0])
    assert statuses(jobs) == ["Completed", "Dead Letter", "Completed"]
    pairs = [(name, job.name) for job in jobs for name in ("before_job", "after_job")]
    assert told == [("before_job", jobs[0].name), *pairs, ("after_job", jobs[0].name)]


def test_a_job_that_waits_for_the_hooks_of_the_one_before_is_not_taken_for_lost(job_type, shared, hooks):
    # Seen failing where the heartbeat of a job begins with its handler: "Worker lost, retrying".
    jobs, waited = [submitted(job_type, n=n) for n in range(3)], []
    is_long_held = (
        "SELECT name FROM `tabBackground Job` WHERE status = 'Running' AND started_epoch < UNIX_TIMESTAMP() - 6"
    )

    def wait(method: str) -> None:
        if not waited:
            waited.append(until(lambda: database.value(is_long_held), 15, "the end of a lease"))
            elsewhere(rescue.sweep)

    hooks["after_job"] = [wait]
    with settings(lease_seconds=5, slice_seconds=60):
        run_entry(jobs[0])
    assert waited == [jobs[1].name]
    columns = "SELECT status, attempt, crash_count FROM `tabBackground Job` WHERE job_type = %s"
    assert database.rows(columns, job_type) == [("Completed", 1, 0)] * 3


def test_what_a_job_has_left_to_its_commit_is_done_whatever_becomes_of_the_engines_callbacks(shared, monkeypatch):
    # Seen failing: the job was Completed, and what it had enqueued was gone.
    jobs = [submitted(of_faults("leaves_to_the_commit"), n=n) for n in range(2)]
    add, struck = events._add_changes, []

    def add_or_break(changes: Any, *more: Any) -> None:
        if not struck and any(told["to_status"] == "Completed" for _job, told in changes):
            struck.append(1)
            raise JobTimeoutException("the time limit strikes in the engine's own callback")
        add(changes, *more)

    monkeypatch.setattr(events, "_add_changes", add_or_break)
    client = processes.queue_client()
    client.delete(redis_queue.list_key("long"))
    run_slice(jobs[0])
    done = statuses(jobs).count("Completed")
    assert struck
    assert done
    assert client.llen(redis_queue.list_key("long")) == done


# The time limit at any moment ---------------------------------------------------------------------------------------


class Alarm:
    """Stands in for RQ's time limit: strikes at the nth line of the engine's code under the first job's limit."""

    def __init__(self, line: int) -> None:
        self.line, self.passed, self.struck_at = line, 0, ""
        self._is_armed, self._is_first = False, True

    def __call__(self, *_arguments: Any, **_options: Any) -> Alarm:
        return self

    def __enter__(self) -> None:
        if self._is_first:
            self._is_first, self._is_armed = False, True

    def __exit__(self, *_exception: object) -> None:
        self._is_armed = False

    def trace(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        """For `sys.settrace`: looks at the engine's functions alone."""
        return self._strike if f"{os.sep}jobs{os.sep}" in frame.f_code.co_filename else None

    def _strike(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if self._is_armed and event == "line":
            self.passed += 1
            if self.passed == self.line:
                self._is_armed = False
                self.struck_at = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
                raise JobTimeoutException("struck")
        return self._strike


def test_a_time_limit_at_any_line_loses_and_doubles_nothing_and_leaves_the_other_jobs_alone(site, shared, monkeypatch):
    # Seen failing: a limit in a commit left the next job Running until its lease was over, and counted a crash.
    kind = factory.job_type("writes", "write_row", max_retries=0, default_timeout=200)
    line, wrong = 1, []
    while True:
        alarm = Alarm(line)
        monkeypatch.setattr(executor, "UnixSignalDeathPenalty", alarm)
        jobs = [submitted(kind, n=n) for n in range(3)]
        before = sys.gettrace()
        sys.settrace(alarm.trace)
        try:
            run_slice(OTHER)
        finally:
            sys.settrace(before)
        connection.renew()
        frappe.set_user("Administrator")
        wrong += [f"{alarm.struck_at}: {fault}" for job in jobs if (fault := fault_of(job.name))]
        if statuses(jobs)[1:] != ["Completed", "Completed"]:
            wrong.append(f"{alarm.struck_at}: {statuses(jobs)}")
        if not alarm.struck_at:
            break
        line += 1
    assert wrong == []
    assert line > 10, "the alarm has struck at many places"


def fault_of(name: str) -> str:
    """What is wrong with a job whose handler writes one note; nothing if it is what its row says."""
    state = database.value("SELECT status FROM `tabBackground Job` WHERE name = %s", name)
    notes = database.value("SELECT COUNT(*) FROM tabNote WHERE title LIKE %s", f"%{name}%")
    history = [event["to_status"] for event in get_job_history(name)["history"]]
    if state not in ("Completed", "Dead Letter", "Queued"):
        return f"stays {state}"
    if notes != (state == "Completed"):
        return f"{state} with {notes} notes"
    if history[-1] != state or history.count("Completed") != (state == "Completed"):
        return f"{state}, and its history says {history}"
    return ""
