"""An open circuit holds the jobs that wait, at little cost, and no others."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import executor, get_job_status, get_open_circuits, manually_close_circuit
from dartwing_core.jobs.after import after_settle
from dartwing_core.jobs.lib import clock
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.sweep import sweeper
from tests.support import attempts, database, factory, processes
from tests.support.circuits import (
    attempt,
    breaking_type,
    change,
    fails,
    nobody_goes,
    opened,
    planned,
    row,
    state,
    succeeds,
)
from tests.support.jobs import messages, reason, status
from tests.support.queues import listed

pytestmark = pytest.mark.usefixtures("no_sweeps")


def test_what_is_submitted_waits_in_line_and_says_until_when(job_type):
    opened(job_type)
    job = planned(job_type, "ok")
    processes.queue_client().flushdb()
    for _round in range(2):
        assert nobody_goes()
        assert status(job) == "Queued"
        sweeper.sweep()
    at = clock.site_time(row(job_type).open_until_epoch)
    assert reason(job).startswith(f"The circuit of {job_type} is open until ")
    assert reason(job).endswith(f"{at:%H:%M}.")
    assert messages(job) == ["Job created", "Job enqueued"], "it is left alone while it waits"
    assert listed("default") == [], "and no worker looks for it"


@pytest.mark.parametrize("way", ["by turn", "by name"])
def test_jobs_in_line_before_are_stopped_and_that_costs_nothing(job_type, way):
    queued = planned(job_type, "ok")
    opened(job_type)
    if way == "by turn":
        assert nobody_goes()
    else:
        attempt(queued)
    assert status(queued) == "Queued"
    found = get_job_status(queued.name)
    assert (found["attempt"], found["retry_count"]) == (0, 0)
    assert messages(queued) == ["Job created", "Job enqueued"]


def test_a_look_that_was_made_before_it_opened_lets_nobody_go(job_type):
    # It is good for a quarter of a second. Two nets: the circuit is read again, and `claim_probe` changes no open one.
    planned(job_type, "ok")
    claimer = claim.Claimer()
    claimer.view = claim.queue_view.read_view()
    claimer.view.good_until = float("inf")
    opened(job_type)
    assert claimer.claim_from_view() is None
    assert claimer.claim_with_settle([]) is None


def test_retries_wait_too_and_keep_their_number(job_type, times):
    change(job_type, retry_delays="60")
    failed = fails(job_type, 2)
    times.pass_by(2)
    sweeper.sweep()
    assert {status(job) for job in failed} == {"Queued"}
    assert nobody_goes()
    assert reason(failed[0]).startswith("The circuit of")
    processes.queue_client().flushdb()
    manually_close_circuit(job_type, factory.ALPHA)
    frappe.db.commit()
    assert listed("default") == [failed[0].name], "workers look at once"
    assert sorted(attempts.run_all()) == sorted(job.name for job in failed)
    for job in failed:
        found = get_job_status(job.name)
        assert (found["status"], found["retry_count"]) == ("Completed", 1)


def test_what_runs_when_it_opens_goes_on(job_type):
    running = attempts.begun(planned(job_type, "ok").name, 1)
    opened(job_type)
    running.make()
    after_settle.record_end(running.job.row, running.end, is_probe=running.job.is_probe)
    assert running.end.status == "Completed"
    assert state(job_type) == "Open", "it began before and proves nothing"


@pytest.mark.parametrize("values", [{"enable_circuit_breaker": 0}, {"is_enabled": 0}])
def test_without_a_breaker_in_force_an_open_circuit_does_not_matter(job_type, values):
    opened(job_type)
    job = planned(job_type, "ok")
    change(job_type, **values)
    assert get_open_circuits() == []
    assert attempts.run_all() == [job.name]
    assert status(job) == "Completed"


def test_jobs_of_a_type_that_is_gone_are_not_stopped(job_type):
    opened(job_type)
    job = planned(job_type, "ok")
    frappe.delete_doc("Job Type", job_type)
    frappe.db.commit()
    assert attempts.run_all() == [job.name]
    assert status(job) == "Dead Letter"
    assert "does not exist any more" in get_job_status(job.name)["error_message"]


def cost(action) -> int:
    with database.statements() as seen:
        action()
    return len(seen)


def costs(name: str, is_breaking: int) -> dict[str, int]:
    """Statements of submit, of a successful attempt and of one that fails."""
    job_type = breaking_type(name, enable_circuit_breaker=is_breaking, circuit_breaker_min_samples=50)
    fails(job_type)
    succeeds(job_type)  # warm
    good, bad = planned(job_type, "ok"), planned(job_type, "fail")
    return {
        "submit": cost(lambda: planned(job_type, "ok")),
        "success": cost(lambda: executor.run_one(good.name, 1)),
        "failure": cost(lambda: executor.run_one(bad.name, 1)),
    }


def test_a_breaker_costs_a_look_and_a_take_one_statement_each_and_a_failing_attempt_one(site):
    without, with_breaker = costs("without", 0), costs("with", 1)
    expected = {**without, "success": without["success"] + 2, "failure": without["failure"] + 3}
    assert with_breaker == expected
