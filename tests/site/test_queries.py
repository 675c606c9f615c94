"""Status, list and history show what they should, and only to whom they should (regressions 1, 12, 47)."""

from __future__ import annotations

import json
import time
from datetime import datetime

import frappe
import pytest

from dartwing_core.jobs import (
    InvalidJobError,
    JobNotFoundError,
    executor,
    get_job_history,
    get_job_status,
    list_jobs,
    submit_job,
)
from dartwing_core.jobs.job import job_files, runs
from dartwing_core.jobs.read.jobs import get_live_progress
from tests.support import attempts, contents, factory

STATUS_FIELDS = {
    "job_id",
    "job_type",
    "status",
    "progress",
    "progress_message",
    "created_at",
    "started_at",
    "completed_at",
    "retry_count",
    "next_retry_at",
    "output_reference",
    "error_message",
    "error_type",
    "organization",
    "priority",
    "attempt",
    "max_retries",
    "canceled_at",
    "result",
}


def submit_as(user: str, organization: str, number: int = 1, **parameters) -> list[str]:
    job_type = "test_plain" if frappe.db.exists("Job Type", "test_plain") else factory.job_type("plain")
    frappe.set_user(user)
    names = [submit_job(job_type, organization, {"n": n, **parameters}).name for n in range(number)]
    frappe.db.commit()
    frappe.set_user("Administrator")
    return names


@pytest.fixture
def jobs(alice, bob) -> dict[str, str]:
    """One job each of two members of Test Alpha and of one of Test Beta."""
    anna = factory.user("anna", factory.ALPHA)
    return {
        "alice": submit_as(alice, factory.ALPHA)[0],
        "anna": submit_as(anna, factory.ALPHA)[0],
        "bob": submit_as(bob, factory.BETA)[0],
    }


def seen_by(user: str) -> set[str]:
    frappe.set_user(user)
    listed = {job["job_id"] for job in list_jobs(limit=100)["jobs"] if job["organization"].startswith("Test ")}
    desk = set(frappe.get_list("Background Job", pluck="name", filters={"organization": ["like", "Test %"]}))
    assert listed == desk, "Desk and API agree"
    return listed


def test_a_member_sees_only_own_jobs(jobs, alice):
    # I10. Broken, like its neighbours, by `visibility.visible` returning no condition.
    assert seen_by(alice) == {jobs["alice"]}


def test_an_admin_sees_all_jobs_of_the_organization_and_no_other(jobs):
    admin = factory.user("ada", factory.ALPHA, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))
    assert seen_by(admin) == {jobs["alice"], jobs["anna"]}


def test_a_system_manager_sees_all(jobs):
    manager = factory.user("max", roles=("System Manager",))
    assert seen_by(manager) >= set(jobs.values())


def test_somebody_without_organization_sees_none(jobs):
    assert seen_by(factory.user("olga")) == set()


def test_own_jobs_of_an_organization_one_has_left_are_hidden(jobs):
    anna = "test_anna@example.com"
    frappe.db.delete("Org Member", {"user": anna})
    frappe.db.commit()
    assert seen_by(anna) == set()


def test_a_foreign_job_looks_like_a_missing_one(jobs, alice):
    frappe.set_user(alice)
    for function in (get_job_status, get_job_history):
        texts = set()
        for job_id in (jobs["bob"], jobs["anna"], "JOB-NOWHERE"):
            with pytest.raises(JobNotFoundError) as caught:
                function(job_id)
            texts.add(str(caught.value).replace(job_id, "X"))
        assert len(texts) == 1


@pytest.mark.parametrize("job_id", [None, "", 5, [], {"a": 1}, "x" * 1000, "' OR 1=1 -- "])
def test_an_id_that_is_none_is_not_found(job_id):
    with pytest.raises(JobNotFoundError):
        get_job_status(job_id)
    with pytest.raises(JobNotFoundError):
        get_job_history(job_id)


def test_documents_and_history_rows_follow_the_job(jobs, alice):
    log = frappe.get_all("Job Execution Log", {"background_job": jobs["bob"]}, pluck="name")[0]
    own_log = frappe.get_all("Job Execution Log", {"background_job": jobs["alice"]}, pluck="name")[0]
    frappe.set_user(alice)
    assert frappe.has_permission("Background Job", doc=frappe.get_doc("Background Job", jobs["alice"]))
    assert not frappe.has_permission("Background Job", doc=frappe.get_doc("Background Job", jobs["bob"]))
    assert frappe.has_permission("Job Execution Log", doc=frappe.get_doc("Job Execution Log", own_log))
    assert not frappe.has_permission("Job Execution Log", doc=frappe.get_doc("Job Execution Log", log))
    visible = set(frappe.get_list("Job Execution Log", pluck="background_job"))
    assert visible == {jobs["alice"]}
    assert frappe.get_list("Organization", pluck="name", filters={"name": ["like", "Test %"]}) == [factory.ALPHA]
    assert set(frappe.get_list("Org Member", pluck="user")) == {alice}


def test_attempts_members_and_organizations_are_as_private_as_jobs(jobs, alice, bob):
    for name in jobs.values():
        executor.execute_job(name, 1)
    foreign = {
        "Background Job Run": f"{jobs['bob']}-1",
        "Org Member": frappe.db.get_value("Org Member", {"user": bob, "organization": factory.BETA}),
        "Organization": factory.BETA,
    }
    own = {
        "Background Job Run": f"{jobs['alice']}-1",
        "Org Member": frappe.db.get_value("Org Member", {"user": alice, "organization": factory.ALPHA}),
        "Organization": factory.ALPHA,
    }
    frappe.set_user(alice)
    for doctype, name in own.items():
        assert frappe.has_permission(doctype, doc=frappe.get_doc(doctype, name)), doctype
        assert frappe.get_list(doctype, {"name": name}, pluck="name") == [name]
    for doctype, name in foreign.items():
        assert not frappe.has_permission(doctype, doc=frappe.get_doc(doctype, name)), doctype
        assert frappe.get_list(doctype, {"name": name}, pluck="name") == []


def test_tracebacks_are_for_admins(jobs, alice):
    admin = factory.user("ada", factory.ALPHA, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))
    frappe.db.set_value("Background Job", jobs["alice"], "job_type", "test_gone")  # the attempt fails
    executor.execute_job(jobs["alice"], 1)
    run = f"{jobs['alice']}-1"
    for user, visible in ((alice, False), (admin, True)):
        frappe.set_user(user)
        document = frappe.get_doc("Background Job Run", run)
        document.apply_fieldlevel_read_permissions()
        assert bool(document.as_dict().get("traceback")) is visible, user
        assert document.error_message


def test_conditions_escape_what_they_hold(bob):
    # The conditions reach Frappe as SQL text; a name may hold anything.
    odd = "Test \\' OR 1=1 -- %(x)s 100%"
    factory.organization(odd)
    user = factory.user("odd", odd)
    job = submit_as(user, odd)[0]
    submit_as(bob, factory.BETA)
    assert seen_by(user) == {job}
    admin = factory.user("oddadmin", odd, org_role="Admin")
    assert seen_by(admin) == {job}


def test_status_has_the_contracts_fields_and_times_with_offset(jobs):
    status = get_job_status(jobs["alice"])
    assert set(status) >= STATUS_FIELDS
    assert datetime.fromisoformat(status["created_at"]).tzinfo is not None
    assert (status["status"], status["progress"], status["retry_count"]) == ("Queued", 0, 0)


def test_lists_are_newest_first_in_pages_with_a_total(alice):
    names = submit_as(alice, factory.ALPHA, number=5)
    frappe.set_user(alice)
    page = list_jobs(limit=2, offset=1)
    assert [job["job_id"] for job in page["jobs"]] == [names[3], names[2]]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 1)
    oldest = list_jobs(order_by="creation asc", limit=1)
    assert oldest["jobs"][0]["job_id"] == names[0]


@pytest.mark.parametrize(
    ("limit", "offset", "used"), [(0, -5, (1, 0)), (-1, 0, (1, 0)), (1000, 0, (100, 0)), ("7", "3", (7, 3))]
)
def test_paging_bounds(limit, offset, used):
    page = list_jobs(limit=limit, offset=offset)
    assert (page["limit"], page["offset"]) == used


def test_filters(alice, bob):
    submit_as(alice, factory.ALPHA)
    submit_as(bob, factory.BETA)
    assert list_jobs(organization=factory.BETA)["total"] == 1
    assert list_jobs(owner_user=alice, status="Queued", job_type="test_plain", priority="Normal")["total"] == 1
    assert list_jobs(organization=factory.ALPHA, status="Completed")["total"] == 0
    assert list_jobs(organization=factory.ALPHA, from_date="2999-01-01")["total"] == 0
    assert (
        list_jobs(organization=factory.ALPHA, to_date="2999-01-01", from_date="2000-01-01T00:00:00+00:00")["total"] == 1
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"status": "Sleeping"},
        {"priority": "Urgent"},
        {"order_by": "creation; DROP TABLE tabUser"},
        {"order_by": "input_parameters desc"},
        {"from_date": "yesterday-ish"},
    ],
)
def test_bad_filters_are_refused(arguments):
    with pytest.raises(InvalidJobError):
        list_jobs(**arguments)


def test_a_running_job_tells_its_steps_and_that_it_is_to_stop(alice):
    job = submit_as(alice, factory.ALPHA)[0]
    attempts.taken(job, 1)
    steps = [{"name": "Read", "state": "done"}, {"name": "Write", "state": "active"}]
    runs.write(f"{job}-1", {"background_job": job, "attempt": 1, "steps": json.dumps(steps)})
    frappe.db.commit()
    frappe.set_user(alice)
    for told in (get_job_status(job), list_jobs()["jobs"][0]):
        assert (told["steps"], told["cancel_requested"], told["can_cancel"]) == (steps, False, True)
    runs.request_cancel(job, 1, alice, None)
    frappe.db.commit()
    for told in (get_job_status(job), list_jobs()["jobs"][0]):
        assert (told["cancel_requested"], told["can_cancel"], told["can_retry"]) == (True, False, False)


@pytest.mark.parametrize(
    ("status", "cancel", "retry"),
    [
        ("Pending", True, False),
        ("Queued", True, False),
        ("Failed", True, True),
        ("Timed Out", True, True),
        ("Dead Letter", False, True),
        ("Completed", False, False),
        ("Canceled", False, False),
    ],
)
def test_an_answer_says_what_may_be_done(alice, status, cancel, retry):
    job = submit_as(alice, factory.ALPHA)[0]
    frappe.db.set_value("Background Job", job, "status", status)
    told = get_job_status(job)
    assert (told["can_cancel"], told["can_retry"]) == (cancel, retry)
    assert (told["can_reschedule"], told["can_run_now"]) == (status in ("Pending", "Queued"), False)


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("/private/files/Contacts-1.xlsx", "/private/files/Contacts-1.xlsx"),
        ("/files/a b#1?.csv", "/files/a%20b%231%3F.csv"),
        ("/private/files/../../app", None),
        ("https://example.com/files/x", None),
        ("javascript:alert(1)", None),
        ("//evil.example/files/x", None),
        (job_files.address_of("JOB-1", "a..b 1?.csv"), f"{job_files.ADDRESS}?job_id=JOB-1&name=a..b%201%3F.csv"),
        (f"{job_files.ADDRESS}.evil?job_id=JOB-1", None),
        ("NOTE-1", None),
        (None, None),
    ],
)
def test_only_files_of_the_site_become_addresses(alice, reference, url):
    job = submit_as(alice, factory.ALPHA)[0]
    contents.store(job, {"status": "Completed", "output_reference": reference})
    assert get_job_status(job)["output_url"] == url


def test_a_hidden_result_has_no_address(alice):
    job = submit_as(alice, factory.ALPHA)[0]
    values = {"status": "Completed", "output_reference": "/private/files/x.csv"}
    contents.store(job, values)
    frappe.db.set_value("Organization", factory.ALPHA, "status", "Inactive")
    frappe.set_user(alice)
    assert get_job_status(job)["output_url"] is None
    assert list_jobs()["jobs"][0]["output_url"] is None


def test_what_the_words_are_made_of_is_not_shown(alice):
    job = submit_as(alice, factory.ALPHA)[0]
    for told in (get_job_status(job), list_jobs(organization=factory.ALPHA)["jobs"][0]):
        assert not set(told) & {"name", "queue", "in_line", "waits_for", "due_epoch"}


# The list of Desk -----------------------------------------------------------------------------------------------------


def test_how_far_running_jobs_are_is_told_to_who_may_see_them(jobs, alice, bob):
    # Seen failing (of all to everybody) without the viewer's condition.
    admin = factory.user("ada", factory.ALPHA, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))
    waiting = submit_as(alice, factory.ALPHA)[0]
    for name in jobs.values():
        attempts.taken(name, 1)
    said = {"background_job": jobs["alice"], "attempt": 1, "progress": 41.25, "progress_message": "Row 7"}
    runs.write(f"{jobs['alice']}-1", said)
    frappe.db.commit()
    names = [*jobs.values(), waiting, "JOB-1K00000000000NOWHERE"]
    seen = {}
    for user in (alice, bob, admin, "Administrator"):
        frappe.set_user(user)
        seen[user] = get_live_progress(names)
    frappe.set_user("Administrator")
    assert seen[alice] == {jobs["alice"]: {"attempt": 1, "progress": 41.2, "progress_message": "Row 7"}}
    assert set(seen[bob]) == {jobs["bob"]}
    assert set(seen[admin]) == {jobs["alice"], jobs["anna"]}
    assert set(seen["Administrator"]) == set(jobs.values())
    assert seen[admin][jobs["anna"]] == {"attempt": 1, "progress": 0, "progress_message": None}, "too young to say"


@pytest.mark.parametrize(
    "date", ["2026-11-28 " + "1." * 200_000, "2026-11-28\x00", "２０２６-11-28"], ids=["long", "zero", "wide"]
)
def test_a_text_that_no_person_writes_is_no_date(alice, date):
    # Seen failing: the parser of dates took seconds for the first, and read the others.
    frappe.set_user(alice)
    began = time.monotonic()
    for argument in ("from_date", "to_date"):
        with pytest.raises(InvalidJobError, match=f"{argument} is no date"):
            list_jobs(**{argument: date})
    assert time.monotonic() - began < 1
