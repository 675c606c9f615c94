"""Circuit breaker: what opens it, what it holds, what closes it again by hand.

Seen failing: without `is_transient` in `outcome.circuit_sample` permanent errors count; without `circuit_key` emptied
again in `Attempt._write_failure` cancels do; without `closed_epoch` in the tally a closed circuit opens at the next
failure.
"""

from __future__ import annotations

from datetime import datetime

import frappe
import pytest
from frappe.realtime import get_user_room

from dartwing_core.jobs import (
    CircuitNotFoundError,
    InvalidTransitionError,
    cancel_job,
    executor,
    get_job_history,
    get_job_status,
    get_open_circuits,
    manually_close_circuit,
    submit_job,
)
from dartwing_core.jobs.base import clock
from dartwing_core.jobs.ending import circuit_breaker
from dartwing_core.jobs.line import claim
from dartwing_core.jobs.recovery import retention, sweeper
from dartwing_core.jobs.store import circuits
from tests.support import attempts, database, factory, processes
from tests.support.circuits import (
    COOL_DOWN,
    SAMPLES,
    Times,
    attempt,
    breaking_type,
    change,
    fails,
    opened,
    planned,
    row,
    state,
    succeeds,
)
from tests.support.jobs import lose, lose_long_ago, run, set_columns, status, submitted
from tests.support.listener import listening
from tests.support.queues import listed
from tests.support.sessions import in_parallel
from tests.support.settings import settings

pytestmark = pytest.mark.usefixtures("no_sweeps")


@pytest.fixture
def times(monkeypatch) -> Times:
    return Times(monkeypatch)


@pytest.fixture
def job_type(site) -> str:
    return breaking_type()


def messages(job) -> list[str]:
    return [event["message"] for event in get_job_history(job.name)["history"]]


def reason(job) -> str | None:
    frappe.db.rollback()
    return get_job_status(job.name)["waiting_reason"]


# What opens it -----------------------------------------------------------------------------------------------------


def test_enough_failures_open_it_and_it_says_why(job_type):
    fails(job_type)
    assert state(job_type) is None
    fails(job_type)
    found = row(job_type)
    assert (found.status, found.failures, found.samples) == ("Open", 2, 2)
    cool_down = found.open_until_epoch - clock.now_epoch()
    assert 60 * COOL_DOWN - 30 < cool_down <= 60 * COOL_DOWN


def made(job_type: str, ending: str) -> None:
    """An attempt of a job of its own that ends like this."""
    if ending == "lost":
        job = planned(job_type, "ok")
        assert attempts.taken(job.name, 1)
        lose(job)
        assert sweeper.sweep().rescued == 1
    elif ending == "lost past its time":
        job = planned(job_type, "ok")
        set_columns(job, timeout_seconds=5)
        assert attempts.taken(job.name, 1)
        lose_long_ago(job)
        with settings(lease_seconds=5):
            assert sweeper.sweep().rescued == 1
        assert status(job) == "Timed Out"
    elif ending == "canceled":
        job = planned(job_type, "fail")
        made_attempt = attempts.begun(job.name, 1)
        cancel_job(job.name)
        frappe.db.commit()
        made_attempt.make()
        circuit_breaker.record_end(made_attempt.job.row, made_attempt.end, is_probe=made_attempt.job.is_probe)
        assert status(job) == "Canceled"
    elif ending == "canceled in line":
        cancel_job(planned(job_type, "fail").name)
        frappe.db.commit()
    else:
        attempt(planned(job_type, ending))


COUNTING = {"fail": True, "late": True, "lost past its time": True}
SILENT = ("dead", "snooze", "lost", "canceled", "canceled in line")


@pytest.mark.parametrize("ending", [*COUNTING, *SILENT])
def test_only_transient_failures_and_time_limits_open_it(ending):
    job_type = breaking_type(handler="scripted")
    for _number in range(SAMPLES):
        made(job_type, ending)
    assert (state(job_type) == "Open") is (ending in COUNTING)
    if ending in SILENT:
        fails(job_type)
        assert state(job_type) is None, "nor do they add to one that counts"


def test_a_failure_that_uses_up_the_retries_counts_like_the_others():
    job_type = breaking_type(max_retries=0)
    jobs = fails(job_type, 2)
    assert {status(job) for job in jobs} == {"Dead Letter"}
    assert state(job_type) == "Open"


def test_what_says_nothing_is_no_success_either(job_type):
    change(job_type, circuit_breaker_failure_threshold=1)
    fails(job_type)
    attempt(planned(job_type, "dead"))
    fails(job_type)
    assert state(job_type) == "Open"


def test_successes_keep_it_closed(job_type):
    for _number in range(4):
        succeeds(job_type)
    fails(job_type, 3)
    assert state(job_type) is None
    fails(job_type)
    assert (row(job_type).failures, row(job_type).samples) == (4, 8), "half of them"


def test_what_ended_before_the_window_does_not_count(job_type, times):
    fails(job_type)
    times.pass_by(31)
    fails(job_type)
    assert state(job_type) is None


def test_each_organization_and_type_has_a_circuit_of_its_own(job_type):
    opened(job_type)
    other_type = breaking_type("other")
    elsewhere = submit_job(job_type, factory.BETA, {"plan": ["ok"]})
    frappe.db.commit()
    for job in (elsewhere, planned(other_type, "ok")):
        assert status(job) == "Queued"
        assert run(job)["status"] == "Completed"
    assert state(job_type, factory.BETA) is None


def test_failures_elsewhere_do_not_count(job_type):
    fails(job_type)
    elsewhere = submit_job(job_type, factory.BETA, {"plan": ["fail"]})
    frappe.db.commit()
    assert run(elsewhere)["status"] == "Failed"
    assert frappe.db.count("Job Circuit", {"job_type": job_type}) == 0


def test_a_type_without_breaker_has_no_circuit():
    job_type = breaking_type(enable_circuit_breaker=0)
    fails(job_type, 4)
    assert state(job_type) is None


def test_many_failures_at_once_open_it_once(job_type):
    change(job_type, circuit_breaker_min_samples=8)
    jobs = [planned(job_type, "fail") for _number in range(8)]
    claimed = [attempts.begun(job.name, 1) for job in jobs]
    for one in claimed:
        one.make()
    frappe.set_user("Administrator")
    with listening() as heard:
        found = in_parallel(
            [lambda one=one: circuit_breaker.record_end(one.job.row, one.end, is_probe=False) for one in claimed]
        )
    assert [result for result in found if result is not None] == []
    assert frappe.db.count("Job Circuit", {"job_type": job_type}) == 1
    rooms = [room for event, room, _message in heard.messages if event == circuit_breaker.CHANGED]
    assert len(rooms) == len(set(rooms)), "told once"


# What it holds -----------------------------------------------------------------------------------------------------


def nobody_goes() -> bool:
    return claim.Claimer().claim_next() is None


def test_what_is_submitted_waits_in_line_and_says_until_when(job_type):
    opened(job_type)
    job = planned(job_type, "ok")
    processes.queue_client().flushdb()
    for _round in range(2):
        assert nobody_goes()
        assert status(job) == "Queued"
        sweeper.sweep()
    at = clock.site_time(row(job_type).open_until_epoch)
    assert reason(job).startswith(f"Held: the circuit of {job_type} is open until ")
    assert reason(job).endswith(f"{at:%H:%M}.")
    assert messages(job) == ["Job created", "Job enqueued"], "it is left alone while it waits"
    assert listed("default") == [], "and no worker looks for it"


@pytest.mark.parametrize("way", ["by turn", "by name"])
def test_what_was_in_line_before_is_held_and_costs_nothing(job_type, way):
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
    claimer._view = claim.queue_view.read_view()
    claimer._view.is_good_until = float("inf")
    opened(job_type)
    assert claimer._claim_and_commit() is None
    assert claimer.claim_with_settle([]) is None


def test_retries_wait_too_and_keep_their_number(job_type, times):
    change(job_type, retry_delays="60")
    failed = fails(job_type, 2)
    times.pass_by(2)
    sweeper.sweep()
    assert {status(job) for job in failed} == {"Queued"}
    assert nobody_goes()
    assert reason(failed[0]).startswith("Held: the circuit of")
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
    circuit_breaker.record_end(running.job.row, running.end, is_probe=running.job.is_probe)
    assert running.end.status == "Completed"
    assert state(job_type) == "Open", "it began before and proves nothing"


def test_others_go_on(job_type):
    opened(job_type)
    held = planned(job_type, "ok")
    other = factory.job_type("plain")
    frappe.db.commit()
    beside = submitted(other)
    assert attempts.run_all() == [beside.name]
    assert status(held) == "Queued"


@pytest.mark.parametrize("values", [{"enable_circuit_breaker": 0}, {"is_enabled": 0}])
def test_without_a_breaker_in_force_an_open_circuit_does_not_matter(job_type, values):
    opened(job_type)
    job = planned(job_type, "ok")
    change(job_type, **values)
    assert get_open_circuits() == []
    assert attempts.run_all() == [job.name]
    assert status(job) == "Completed"


def test_jobs_of_a_type_that_is_gone_are_not_held(job_type):
    opened(job_type)
    job = planned(job_type, "ok")
    frappe.delete_doc("Job Type", job_type)
    frappe.db.commit()
    assert attempts.run_all() == [job.name]
    assert status(job) == "Dead Letter"
    assert "does not exist any more" in get_job_status(job.name)["error_message"]


# By hand -----------------------------------------------------------------------------------------------------------


def test_closed_by_hand_all_goes_on_by_itself_and_it_begins_anew(job_type):
    opened(job_type)
    jobs = [planned(job_type, "ok"), planned(job_type, "ok")]
    assert manually_close_circuit(job_type, factory.ALPHA)["status"] == "Closed"
    frappe.db.commit()
    assert sorted(attempts.run_all()) == sorted(job.name for job in jobs)
    assert row(job_type).closed_by == "Administrator"
    fails(job_type)
    assert state(job_type) == "Closed", "what failed before does not count"
    fails(job_type)
    assert state(job_type) == "Open"


def test_a_close_that_is_rolled_back_closes_nothing(job_type):
    opened(job_type)
    manually_close_circuit(job_type, factory.ALPHA)
    frappe.db.rollback()
    planned(job_type, "ok")
    assert nobody_goes()
    assert state(job_type) == "Open"


def test_what_can_not_be_closed_is_refused(job_type):
    for asked in ((job_type, factory.ALPHA), ("nothing", factory.ALPHA), (job_type, "Nowhere"), (None, 7)):
        with pytest.raises(CircuitNotFoundError, match="no circuit that you may close"):
            manually_close_circuit(*asked)
    opened(job_type)
    manually_close_circuit(job_type, factory.ALPHA)
    with pytest.raises(InvalidTransitionError, match="closed already"):
        manually_close_circuit(job_type, factory.ALPHA)


def test_an_open_circuit_is_listed_and_not_deleted(job_type):
    opened(job_type)
    (listed,) = get_open_circuits()
    assert (listed["job_type"], listed["organization"], listed["status"]) == (job_type, factory.ALPHA, "Open")
    assert (listed["failures"], listed["samples"], listed["probe_job"]) == (2, 2, None)
    assert datetime.fromisoformat(listed["open_until"]).tzinfo
    assert get_open_circuits(factory.BETA) == []
    with pytest.raises(frappe.ValidationError, match="Close it before"):
        frappe.delete_doc("Job Circuit", listed["circuit_id"])
    manually_close_circuit(job_type, factory.ALPHA)
    frappe.delete_doc("Job Circuit", listed["circuit_id"])


def test_closed_circuits_go_with_old_jobs_and_open_ones_stay(job_type):
    opened(job_type)
    frappe.db.sql("UPDATE `tabJob Circuit` SET opened_at = opened_at - INTERVAL 99 DAY")
    frappe.db.commit()
    retention.clear_old_jobs(30)
    manually_close_circuit(job_type, factory.ALPHA)
    frappe.db.commit()
    retention.clear_old_jobs(30)
    assert state(job_type) == "Closed"
    frappe.db.sql("UPDATE `tabJob Circuit` SET closed_at = closed_at - INTERVAL 31 DAY")
    frappe.db.commit()
    retention.clear_old_jobs(30)
    assert state(job_type) is None


def test_the_circuits_of_an_organization_go_with_it():
    job_type = breaking_type()
    factory.organization("Test Gamma")
    jobs = [submit_job(job_type, "Test Gamma", {"plan": ["fail"], "n": number}) for number in range(SAMPLES)]
    frappe.db.commit()
    for job in jobs:
        attempt(job)
    assert state(job_type, "Test Gamma") == circuits.OPEN
    frappe.delete_doc("Organization", "Test Gamma", force=True)
    frappe.db.commit()
    assert state(job_type, "Test Gamma") is None


def test_admins_hear_of_it_and_nobody_else(job_type, alice):
    admin = factory.user("admin", factory.ALPHA, org_role="Admin")
    other = factory.user("other_admin", factory.BETA, org_role="Admin")
    frappe.db.commit()
    with listening() as heard:
        opened(job_type)
        manually_close_circuit(job_type, factory.ALPHA)
        frappe.db.commit()
    told = [(room, message) for event, room, message in heard.messages if event == circuit_breaker.CHANGED]
    of_admin = [message["status"] for room, message in told if room == get_user_room(admin)]
    assert of_admin == ["Open", "Closed"]
    assert not {get_user_room(alice), get_user_room(other)} & {room for room, _message in told}


# What it costs -----------------------------------------------------------------------------------------------------


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
