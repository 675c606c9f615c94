"""One attempt in one process: claim, run as the owner, settle (regressions 14, 18, 21, 26, 32, 34)."""

from __future__ import annotations

from collections.abc import Callable

import frappe
import pytest

from dartwing_core.jobs import JobContext, executor, get_job_details, get_job_history, get_job_status, retry_job
from dartwing_core.jobs.access import content
from dartwing_core.jobs.job import runs as runs_module
from dartwing_core.jobs.run import outcome
from dartwing_core.jobs.sweep import sweeper
from tests.support import database, factory, handlers
from tests.support.jobs import run, submitted, submitted_by
from tests.support.sessions import committed

pytestmark = pytest.mark.usefixtures("no_sweeps")


def runs(job) -> list[dict]:
    fields = ["attempt", "outcome", "error_message", "traceback", "duration"]
    filters, columns = {"background_job": job.name}, content.columns(fields)
    rows = frappe.get_all("Background Job Run", filters, columns, order_by="attempt asc")
    return [content.opened(row) for row in rows]


def notes() -> int:
    return database.value("SELECT COUNT(*) FROM tabNote WHERE title = 'test note'")


def test_work_and_completion_are_one_commit():
    job = submitted(factory.job_type("note", "add_note"), title="test note")
    status = run(job)
    assert (status["status"], status["progress"], status["attempt"], status["retry_count"]) == ("Completed", 100, 1, 0)
    assert status["output_reference"]
    assert status["result"] == {"output_reference": status["output_reference"]}
    assert notes() == 1
    assert [row.outcome for row in runs(job)] == ["Completed"]
    assert [event["message"] for event in get_job_history(job.name)["history"]] == [
        "Job created",
        "Job enqueued",
        "Worker started execution, attempt 1 of 3",
        "Job completed successfully",
    ]


def test_others_see_work_and_completion_at_the_same_time(monkeypatch):
    # I5. Broken by a commit before `runs.settle` in `Attempt._write`.
    job = submitted(factory.job_type("note", "add_note"), title="test note")
    seen = []
    settle = runs_module.settle

    def look_and_settle(*args, **kwargs):
        state = database.value("SELECT status FROM `tabBackground Job` WHERE name = %s", job.name)
        seen.append((state, notes()))
        return settle(*args, **kwargs)

    monkeypatch.setattr(runs_module, "settle", look_and_settle)
    assert run(job)["status"] == "Completed"
    assert seen == [("Running", 0)]
    assert notes() == 1


def test_a_failure_takes_the_handlers_writes_back_and_schedules_the_retry_in_one_write():
    # I5. Broken by `undo_first` being left out in `Attempt.fail`.
    job = submitted(factory.job_type("note", "add_note", max_retries=2), title="test note", then="fail")
    status = run(job)
    assert (status["status"], status["error_type"], status["retry_count"]) == ("Failed", "Transient", 1)
    assert status["next_retry_at"] == status["available_at"]
    assert status["error_message"] == "asked to fail"
    assert notes() == 0
    assert "asked to fail" in runs(job)[0].traceback
    last = get_job_history(job.name)["history"][-1]
    assert last["message"].startswith("Attempt 1 of 3 failed, next at ")
    assert last["retry_attempt"] == status["retry_count"], "log and field agree"


def test_retries_are_used_up_and_then_the_job_is_dead():
    job_type = factory.job_type("note", "add_note", max_retries=2, retry_delays="0")
    job = submitted(job_type, title="test note", then="fail")
    for attempt, expected in ((1, "Failed"), (2, "Failed"), (3, "Dead Letter")):
        assert run(job, attempt)["status"] == expected
        sweeper.sweep()
    status = get_job_status(job.name)
    assert (status["attempt"], status["retry_count"]) == (3, 2)
    assert [(row.attempt, row.outcome) for row in runs(job)] == [(1, "Failed"), (2, "Failed"), (3, "Dead Letter")]


def test_a_manual_retry_is_a_fresh_series():
    job = submitted(
        factory.job_type("note", "add_note", max_retries=1, retry_delays="0"), title="test note", then="fail"
    )
    run(job)
    sweeper.sweep()
    assert run(job, 2)["status"] == "Dead Letter"
    committed(retry_job, job.name)
    status = run(job, 3)
    assert (status["status"], status["retry_count"], status["attempt"]) == ("Failed", 1, 3)


def test_a_message_for_another_attempt_a_second_one_and_one_for_a_job_that_is_gone_do_nothing():
    job = submitted(factory.job_type("note", "add_note"), title="test note")
    for attempt in (0, 2, 7):
        assert run(job, attempt)["status"] == "Queued"
    run(job)
    before = get_job_history(job.name)
    run(job)
    assert (get_job_history(job.name), notes()) == (before, 1)
    executor.execute_job("JOB-NOWHERE", 1)


def test_an_overtaken_attempt_changes_nothing(monkeypatch):
    # I4. Broken by leaving the attempt out of the WHERE in `record._update`.
    # Another worker rescued the job while this one was away: its writes go, its ending is not recorded.
    job = submitted(factory.job_type("note", "add_note"), title="test note")
    success = outcome.success

    def rescued_meanwhile(*arguments):
        with database.another_connection() as other, other.cursor() as cursor:
            cursor.execute("UPDATE `tabBackground Job` SET attempt = 2 WHERE name = %s", (job.name,))
        return success(*arguments)

    monkeypatch.setattr(outcome, "success", rescued_meanwhile)  # before the settle locks the row
    status = run(job)
    assert (status["status"], status["attempt"]) == ("Running", 2)
    assert notes() == 0
    assert runs(job) == []


@pytest.mark.parametrize(
    ("handler", "max_retries", "status"),
    [("nothing", 2, "Timed Out"), ("snoozes", 2, "Timed Out"), ("nothing", 0, "Dead Letter")],
)
def test_a_swallowed_time_limit_is_timed_out(monkeypatch, handler, max_retries, status):
    # I9. Broken by not asking for `remaining_seconds` in `Attempt._call`. Seen failing: a handler that then snoozed
    # was run for ever, at no cost of a retry; and the last attempt said "Dead Letter".
    job = submitted(factory.job_type("slow", handler, max_retries=max_retries), seconds=0)
    monkeypatch.setattr(JobContext, "remaining_seconds", lambda self: 0.0)
    after = run(job)
    assert (after["status"], after["error_type"], after["retry_count"]) == (status, "Transient", bool(max_retries))
    assert after["error_message"] == "The time limit of 300 s was reached."
    assert [row.outcome for row in runs(job)] == ["Timed Out"]


def test_an_error_made_of_html_is_told_as_plain_text(monkeypatch):
    # Seen failing: tags in the error of job, attempt and history.
    html = frappe.bold("Widget") + " costs < 3:<ul><li>Size</li></ul>"
    monkeypatch.setattr(handlers, "nothing", handlers.job_handler(lambda context: frappe.throw(html)))
    job = submitted(factory.job_type("throws", "nothing"))
    status = run(job)
    text = "Widget costs < 3:\nSize"
    assert status["error_message"] == f"ValidationError: {text}"
    assert runs(job)[0].error_message == f"ValidationError: {text}"
    assert get_job_history(job.name)["history"][-1]["message"] == "Failed for good: ValidationError: Widget costs < 3:"


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("key", "Dead Letter"),
        ("validation", "Dead Letter"),
        ("connection", "Failed"),
        ("unprintable", "Failed"),
        ("half", "Failed"),
        ("long", "Failed"),
    ],
)
def test_whatever_a_handler_raises_ends_in_one_clear_state(what, status):
    job = submitted(factory.job_type("raising", "raises"), what=what)
    after = run(job)
    assert after["status"] == runs(job)[0].outcome == status
    assert (after["next_retry_at"] is None) == (status == "Dead Letter")


def test_a_worker_that_is_told_to_exit_leaves_the_job_to_be_retried():
    job = submitted(factory.job_type("raising", "raises"), what="exit")
    with pytest.raises(SystemExit):
        executor.execute_job(job.name, 1)
    assert get_job_status(job.name)["status"] == "Failed"


@pytest.mark.parametrize(
    ("what", "stored"),
    [("list", [1, 2]), ("text", "word"), ("set", "not_stored"), ("bytes", "not_stored"), ("large", "not_stored")],
)
def test_whatever_a_handler_returns_the_job_completes(what, stored):
    job = submitted(factory.job_type("returning", "returns"), what=what)
    status = run(job)
    assert status["status"] == "Completed"
    assert status["result"] == stored or stored in status["result"]


def test_a_long_output_reference_is_stored_whole_and_cut_if_it_does_not_fit(monkeypatch):
    # Seen failing: it was cut after 2,000 characters, so that a link led nowhere.
    def returning(context):
        return {"output_reference": context.parameters["text"]}

    monkeypatch.setattr(handlers, "nothing", handlers.job_handler(returning))
    long = "\U0001f600" * 16_000
    assert run(submitted(factory.job_type("long", "nothing"), text=long))["output_reference"] == long
    status = run(submitted("test_long", text="x" * 16_001))
    assert (status["status"], status["output_reference"]) == ("Completed", "x" * 16_000)


def test_it_runs_as_its_owner_and_leaves_nothing_behind(alice):
    # I8. Broken by taking `frappe.set_user` out of `Attempt._prepare`.
    job_type = factory.job_type("who", "whoami")
    job = submitted_by(alice, job_type)
    result = run(job)["result"]
    assert result["user"] == alice
    assert "Dartwing User" in result["roles"]
    assert "System Manager" not in result["roles"]
    assert frappe.session.user == "Administrator"


def test_a_handlers_own_threads_may_call_its_context_or_are_told_that_they_may_not():
    # Seen failing: AttributeErrors and RuntimeErrors of Frappe, which has no site there.
    job = submitted(factory.job_type("threads", "starts_threads", max_retries=0))
    result = run(job)["result"]
    refused = {name: text for name, text in result.items() if "Error" in text}
    words = "RuntimeError: {}: call it in the handler's own thread."
    assert refused == {name: words.format(name) for name in ("attach", "checkpoint", "parent_results")}
    assert result["idempotency_key"] == result["own key"]
    details = get_job_details(job.name)
    (line,) = details["attempts"][0]["log"]
    assert (line["text"], line["logged_at"][-6:]) == ("from a thread", details["created_at"][-6:])
    assert details["progress_message"] == "half"


def test_it_runs_in_its_owners_language_and_gives_the_workers_back():
    user = factory.user("greta", factory.ALPHA)  # of her own: the users of other tests keep their language
    frappe.db.set_value("User", user, {"language": "de", "time_zone": "Asia/Tokyo"})
    job_type = factory.job_type("who", "whoami")
    before = frappe.local.lang
    result = run(submitted_by(user, job_type))["result"]
    assert (result["lang"], result["time_zone"]) == ("de", "Asia/Tokyo")
    assert frappe.local.lang == before != "de"


STANDINGS: dict[str, Callable[[str, str], object]] = {
    "disabled": lambda user, _type: frappe.db.set_value("User", user, "enabled", 0),
    "no longer a member": lambda user, _type: frappe.db.delete("Org Member", {"user": user}),
    "lacks the permission": lambda _user, job_type: frappe.db.set_value(
        "Job Type", job_type, "requires_permission", "System Manager"
    ),
}
"""What an owner may lose between submit and run, by the words that say so."""


@pytest.mark.parametrize("words", STANDINGS)
def test_an_owner_who_may_not_any_more_gets_no_run(words):
    # I8. Broken by taking `permission.check_owner` out of the attempt.
    user, job_type = factory.user("eve", factory.ALPHA), factory.job_type("plain")
    job = submitted_by(user, job_type)
    STANDINGS[words](user, job_type)
    frappe.db.commit()
    frappe.clear_document_cache("Job Type", job_type)
    status = run(job)
    assert (status["status"], status["error_type"]) == ("Dead Letter", "Permanent")
    assert words in status["error_message"]


def test_a_disabled_type_runs_the_jobs_it_has():
    # Regression 20: re-validation on each transition froze them.
    job_type = factory.job_type("plain")
    job = submitted(job_type)
    committed(frappe.db.set_value, "Job Type", job_type, "is_enabled", 0)
    assert run(job)["status"] == "Completed"


def test_a_type_may_retry_what_is_permanent_and_the_reverse():
    def ending(what: str, **rules: str) -> tuple[str, str]:
        status = run(submitted(factory.job_type("ruled", "raises", **rules), what=what))
        return status["status"], status["error_type"]

    assert ending("key", retry_on="KeyError")[0] == "Failed"
    assert ending("connection", never_retry_on="ConnectionError") == ("Dead Letter", "Permanent")
    with pytest.raises(frappe.ValidationError, match="not the name of an exception"):
        factory.job_type("ruled", "raises", retry_on="no name!")
    with pytest.raises(frappe.ValidationError, match="no exception KeyErorr: did you mean KeyError"):
        factory.job_type("ruled", "raises", never_retry_on="KeyErorr")
    for not_loaded in ("OfAnAppThatIsNotLoaded", "ConnectError", "APIConnectionError"):
        factory.job_type("ruled", "raises", never_retry_on=not_loaded)


@pytest.mark.parametrize(("cleanup", "rows"), [("write_row", 1), ("raises", 0)])
def test_the_clean_up_after_a_time_limit_is_best_effort(cleanup, rows, monkeypatch):
    path = f"{factory.HANDLERS}.{cleanup}"
    job = submitted(factory.job_type("cleans", "nothing", timeout_handler_method=path, max_retries=0), what="key")
    monkeypatch.setattr(JobContext, "remaining_seconds", lambda self: 0.0)
    assert run(job)["status"] == "Dead Letter"
    assert database.value("SELECT COUNT(*) FROM tabNote WHERE title = %s", f"test {job.name}") == rows
