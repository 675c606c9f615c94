"""Whatever people write comes back as they wrote it, and never becomes part of a statement's text (R21).

Seen failing: with values instead of `Values(column)` in `runs.write`, which the query builder writes into
the SQL. A percent sign then lost the cancel or the end of an attempt, and a backslash let the text go on as SQL.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import frappe
import pytest

from dartwing_core.jobs import (
    batch,
    cancel_job,
    get_batch_status,
    get_job_history,
    get_job_status,
    job,
    submit_job,
    submit_jobs,
)
from dartwing_core.jobs.lib import canonical
from dartwing_core.jobs.sweep import rescue, sweeper
from tests.support import attempts, contents, factory
from tests.support.jobs import run, status, submitted
from tests.support.sessions import committed
from tests.support.settings import settings
from tests.support.waiting import until


def nested(levels: int) -> list:
    return [nested(levels - 1), 1] if levels > 1 else [levels]


EQUAL = {
    "5 MB": {"text": "x" * 5_000_000},
    "text": {"text": "ü 漢字 😀 \u202e \x00 \x7f \\ ' \" % %s {0} </script> \n\r\t", "ключ 😀": ""},
    "numbers": {"n": [0, -1, 2**53, 2**63 - 1, -(2**63), 1e-7, 1.7976931348623157e308, -0.0, True, False, None]},
    "empty": {"": {}, "list": [], "text": ""},
    "nested": {"deep": nested(canonical.MAX_DEPTH - 2)},  # one more is for the result around it
    "like Frappe's own": {"name": "x", "doctype": "User", "cmd": "y", "method": "z", "job_id": "1", "kwargs": {}},
}
PLAIN = {
    "amount": (Decimal("12.50"), 12.5),
    "moment": (datetime(2026, 3, 29, 2, 30, 0, 1), "2026-03-29 02:30:00.000001"),
    "day": (date(2024, 2, 29), "2024-02-29"),
    "hour": (time(23, 59, 59), "23:59:59"),
    "span": (timedelta(days=2, seconds=1), "48:00:01"),
    "id": (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    "pair": ((1, ("a",)), [1, ["a"]]),
}


def test_odd_parameters_come_back_from_a_worker_as_they_were_sent(workers):
    sent = {**EQUAL, "plain": {name: value for name, (value, _stored) in PLAIN.items()}}
    expected = {**EQUAL, "plain": {name: stored for name, (_value, stored) in PLAIN.items()}}
    with settings(max_parameter_bytes=6_000_000, max_result_bytes=6_000_000):
        jobs = {name: submit_job("echo_job", factory.ALPHA, parameters) for name, parameters in sent.items()}
        frappe.db.commit()
        for name, job in jobs.items():
            until(lambda job=job: status(job) not in ("Queued", "Running"), 30, name)
            result = get_job_status(job.name)["result"]
            assert result == {"echo": expected[name]}, name
            assert json.dumps(result) == json.dumps({"echo": json.loads(json.dumps(expected[name], sort_keys=True))})


HANDLER = f"{factory.HANDLERS}.says"
ODD = "Speech 100% %s %(name)s, it's \\' \\ \\u00e9 \"q\" `b` {0} #{1} ; -- /* é ü\n\tend\\"
"""All that means something to a driver, a template, JSON or SQL."""
ODD_NAME = 'Test O\'Neil 100% %s "Sons" \\ Co'


@pytest.fixture
def says(site) -> str:
    return factory.job_type("says", HANDLER)


def last_run(job_id: str) -> dict:
    rows = frappe.get_all("Background Job Run", {"background_job": job_id}, ["*"], order_by="attempt desc", limit=1)
    return contents.opened_row(rows[0])


ENDS = {None: "Completed", "fail": "Failed", "fail_for_good": "Dead Letter"}


@pytest.mark.parametrize(("then", "status"), ENDS.items())
def test_what_an_attempt_says(says, then, status):
    after = run(submitted(says, text=ODD, then=then))
    row = last_run(after["job_id"])
    assert (after["status"], after["progress_message"], row["progress_message"]) == (status, ODD, ODD)
    assert frappe.db.get_value("Background Job", after["job_id"], "progress_message") == ODD
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
        committed(cancel_job, stopped.name, reason=ODD)
        assert last_run(stopped.name)["cancel_reason"] == ODD
        if by_force:
            committed(frappe.db.set_value, "Background Job Run", f"{stopped.name}-1", "cancel_requested_epoch", 1)
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
        made = committed(members.submit, factory.ALPHA)
    assert get_batch_status(made.name)["description"] == ODD
    sweeper.sweep()
    assert run(first)["progress_message"] == ODD


def test_the_name_of_an_organization():
    # A name is no secret: Frappe itself writes it into its statements, escaped.
    organization, name = factory.organization(ODD_NAME), factory.job_type("says", HANDLER)
    committed(frappe.db.set_value, "Job Type", name, {"enable_circuit_breaker": 1, "max_concurrent": 1})
    common = {"job_type": name, "organization": organization}
    jobs = submit_jobs({**common, "parameters": {"text": ODD, "n": n}} for n in range(2))
    frappe.db.commit()
    sweeper.sweep()
    assert [run(one)["status"] for one in jobs] == ["Completed"] * 2


def test_many_jobs_of_one_submit(says):
    # From fifty rows on, one statement sends what they share only once.
    texts = [f"{ODD}{n}" * (n % 7) for n in range(60)]
    common = {"job_type": says, "organization": factory.ALPHA}
    jobs = submit_jobs({**common, "parameters": {"text": text, "n": n}} for n, text in enumerate(texts))
    frappe.db.commit()
    assert [contents.parameters(made.name) for made in jobs] == [{"text": text, "n": n} for n, text in enumerate(texts)]
    assert run(jobs[59])["result"]["said"] == texts[59]
