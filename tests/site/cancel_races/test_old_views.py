"""No operation is refused for an old view of a job that has just changed."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidTransitionError,
    batch,
    cancel_job,
    cancel_jobs,
    executor,
    get_job_status,
    job,
    reschedule_job,
    retry_batch,
    retry_job,
    retry_jobs,
    run_now,
)
from dartwing_core.jobs.job import runs
from tests.support import database, factory
from tests.support.jobs import set_columns, status, submitted, submitted_with
from tests.support.sessions import claimed, elsewhere, look

pytestmark = pytest.mark.usefixtures("no_sweeps")


def callers_work_is_there(is_committed: bool) -> bool:
    return database.value("SELECT COUNT(*) FROM tabNote WHERE title = 'test caller'") == int(is_committed)


def becomes(*statuses: str):
    """Let another session give the job these states, one by one."""

    def change(made) -> None:
        for number, state in enumerate(statuses, 100):
            values = {"status": state, "version": number}
            elsewhere(frappe.db.set_value, "Background Job", made.name, values)

    return change


OPERATIONS = {
    "cancel": cancel_job,
    "cancel many": lambda name: cancel_jobs([name]),
    "retry": retry_job,
    "retry many": lambda name: retry_jobs([name]),
    "reschedule": lambda name: reschedule_job(name, 3600),
    "run now": run_now,
}


@pytest.mark.parametrize(
    ("operation", "seen", "meanwhile", "end"),
    [
        ("cancel", "Queued", claimed, "Running"),
        ("cancel", "Running", becomes("Failed"), "Canceled"),
        ("cancel many", "Queued", becomes("Pending"), "Canceled"),
        ("retry", "Failed", becomes("Dead Letter"), "Pending"),
        ("retry many", "Queued", becomes("Timed Out"), "Queued"),
        ("reschedule", "Running", becomes("Pending"), "Pending"),
        ("run now", "Running", becomes("Failed"), "Failed"),
    ],
)
def test_an_operation_on_a_job_that_has_just_changed_goes_on(operation, seen, meanwhile, end):
    # Seen failing: refused with "has just changed", or for a state that the job had left.
    made = submitted(factory.job_type("plain"))
    set_columns(made, status=seen)
    look()
    meanwhile(made)
    answer = OPERATIONS[operation](made.name)
    if isinstance(answer, dict):
        assert answer == {"done": [made.name], "refused": {}}
    else:
        assert answer.status == end
    assert callers_work_is_there(is_committed=False)
    frappe.db.commit()
    assert callers_work_is_there(is_committed=True)
    if operation != "run now":
        assert status(made) in (end, "Queued")
    if end == "Running":
        assert runs.cancel_request(f"{made.name}-1")


def test_a_refusal_says_what_the_job_is_now():
    # Seen failing: accepted, for a job that had completed before.
    made = submitted(factory.job_type("plain"))
    set_columns(made, status="Running", attempt=1)
    look()
    becomes("Completed")(made)
    with pytest.raises(InvalidTransitionError, match="is Completed and can't be canceled"):
        cancel_job(made.name)


def test_a_transaction_is_told_of_its_own_changes():
    made = submitted(factory.job_type("plain"))
    cancel_job(made.name)
    with pytest.raises(InvalidTransitionError, match="is Canceled and can't be canceled"):
        cancel_job(made.name)
    other = submitted_with(factory.job_type("plain"), parameters={"n": 2}, available_at=3600)
    reschedule_job(other.name, 7200)
    assert cancel_job(other.name).status == "Canceled"
    frappe.db.commit()
    assert (status(made), status(other)) == ("Canceled", "Canceled")


def test_retrying_a_batch_takes_along_members_that_have_just_failed():
    # Seen failing: "No job of batch … has failed."
    kind = factory.job_type("planned", "scripted", max_retries=0)
    found = batch(*[job(kind, {"plan": ["fail", "ok"], "n": n}) for n in range(2)]).submit(factory.ALPHA)
    frappe.db.commit()
    members = frappe.get_all("Background Job", {"parent_batch": found.name}, pluck="name")
    look()
    for name in members:
        elsewhere(executor.execute_job, name, 1)
    assert retry_batch(found.name) == {"batch_id": found.name, "retried": 2, "skipped": {}}
    frappe.db.commit()
    assert {get_job_status(name)["status"] for name in members} <= {"Pending", "Queued"}
