"""Whatever people write arrives as they wrote it, and never becomes part of a statement's text.

Seen failing: with values instead of `Values(column)` in `runs._insert_or_update`, which the query builder writes into
the SQL. A percent sign then lost the cancel or the end of an attempt, and a backslash let the text go on as SQL.
"""

from __future__ import annotations

import json

import frappe
import pytest

from dartwing_core.jobs import (
    batch,
    cancel_job,
    get_batch_status,
    get_job_history,
    get_job_status,
    job,
    retry_job,
    submit_job,
    submit_jobs,
)
from dartwing_core.jobs.sweep import rescue, sweeper
from tests.support import attempts, contents, factory
from tests.support.jobs import run, submitted
from tests.support.settings import settings
from tests.support.texts import ODD

HANDLER = f"{factory.TEXTS}.says"
ODD_NAME = 'Test O\'Neil 100% %s "Sons" \\ Co'


@pytest.fixture
def says(site) -> str:
    name = factory.job_type("says", HANDLER)
    frappe.db.commit()
    return name


def last_run(job_id: str) -> dict:
    rows = frappe.get_all("Background Job Run", {"background_job": job_id}, ["*"], order_by="attempt desc", limit=1)
    return contents.opened_row(rows[0])


ENDS = {None: "Completed", "fail": "Failed", "fail_for_good": "Dead Letter"}


@pytest.mark.parametrize(("then", "status"), ENDS.items())
def test_what_an_attempt_says(says, then, status):
    after = run(submitted(says, text=ODD, then=then))
    row = last_run(after["job_id"])
    assert (after["status"], after["progress_message"], row["progress_message"]) == (status, ODD, ODD)
    assert json.loads(row["steps"])[0]["name"] == ODD
    assert json.loads(row["state"]) == {"text": ODD, "number": 1}
    if then:
        assert (after["error_message"], row["error_message"]) == (ODD, ODD)
        assert f"Error: {ODD}" in row["traceback"]
    else:
        assert (after["output_reference"], after["result"]["said"]) == (ODD, ODD)


def test_why_somebody_cancels(says):
    for by_force in (False, True):
        stopped = submitted(says, text="", n=by_force, then="fail")
        claimed = attempts.taken(stopped.name, 1)
        cancel_job(stopped.name, reason=ODD)
        frappe.db.commit()
        assert last_run(stopped.name)["cancel_reason"] == ODD
        if by_force:
            frappe.db.set_value("Background Job Run", f"{stopped.name}-1", "cancel_requested_epoch", 1)
            frappe.db.commit()
            assert rescue.sweep().stopped == 1
        else:
            attempts.of(claimed).make()
        assert get_job_status(stopped.name)["status"] == "Canceled"
        assert get_job_history(stopped.name)["history"][-1]["message"].endswith(ODD)


def test_what_somebody_submits(says):
    window = factory.job_type("window", HANDLER, deduplication_window=300)
    with settings(is_paused=1):
        first = submit_job(window, factory.ALPHA, {ODD: [ODD]}, dedup_key=ODD)
        again = submit_job(window, factory.ALPHA, {"text": ODD}, dedup_key=ODD, on_duplicate="replace")
        assert (first.name, json.loads(again.input_parameters)) == (again.name, {"text": ODD})
        common = {"job_type": says, "organization": factory.ALPHA}
        _parent, child = submit_jobs([{**common, "key": ODD}, {**common, "key": "b", "depends_on": [ODD]}])
        cancel_job(child.name, reason=ODD)
        members = batch(job(says, {"text": ODD}), description=ODD, on_complete=job(says, {"text": ODD}))
        made = members.submit(factory.ALPHA)
        frappe.db.commit()
    assert get_batch_status(made.name)["description"] == ODD
    sweeper.sweep()
    assert run(first)["progress_message"] == ODD


def test_what_a_job_is_retried_with(says):
    failed = submitted(says, text="", then="fail_for_good")
    assert run(failed)["status"] == "Dead Letter"
    retry_job(failed.name, {"text": ODD})
    frappe.db.commit()
    assert run(failed, 2)["output_reference"] == ODD


def test_the_name_of_an_organization():
    # A name is no secret: Frappe itself writes it into its statements, escaped.
    organization, name = factory.organization(ODD_NAME), factory.job_type("says", HANDLER)
    frappe.db.set_value("Job Type", name, {"enable_circuit_breaker": 1, "max_concurrent": 1})
    frappe.db.commit()
    common = {"job_type": name, "organization": organization}
    jobs = submit_jobs({**common, "parameters": {"text": ODD, "n": n}} for n in range(2))
    frappe.db.commit()
    sweeper.sweep()
    assert [run(one)["status"] for one in jobs] == ["Completed"] * 2
