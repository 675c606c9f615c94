"""The tour: what is done, in this order, and what the reader is told about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import frappe
import pymysql
from frappe.utils.background_jobs import get_redis_conn

from dartwing_core.jobs import (
    DuplicateJobError,
    JobNotFoundError,
    JobStatus,
    cancel_job,
    get_job_status,
    list_jobs,
    submit_job,
)

from . import plan, report, scene
from .expectations import Expectations
from .plan import Planned
from .receiver import Receiver
from .scene import ALICE, BOB
from .screen import Screen, plural
from .watching import REFRESH_SECONDS, Board, view

RUN_LIMIT = 180.0
CANCEL_AFTER = 3.0
VISIBLE = "here it is!"

Jobs = dict[str, Planned]
"""The plan, by job id."""


def tell(screen: Screen, expect: Expectations, receiver: Receiver) -> None:
    """The whole demo."""
    screen.heading("Two organizations, two users, their records")
    set_up(screen)
    frappe.set_user(ALICE.user)
    screen.heading("A transaction that is rolled back")
    roll_back(screen, expect)
    planned = plan.jobs(ALICE, receiver.url)
    screen.heading(f"{len(planned)} jobs in one transaction")
    jobs = submit_all(screen, expect, planned)
    of_bob = submit_for_bob()
    screen.heading(f"{plural(get_redis_conn().scard('rq:workers'), 'worker')} run them")
    screen.say(f"A retry comes after {scene.SHORT_DELAYS} s here, not after minutes.")
    screen.say(f"After {CANCEL_AFTER:.0f} s Alice cancels the job that would take a minute.")
    watch(screen, jobs)
    screen.heading("What became of them")
    report.outcomes(screen, expect, jobs)
    report.deliveries(screen, expect, receiver)
    screen.heading("A retried job, step by step")
    retried = next(job_id for job_id, item in jobs.items() if item.job_type == "http_request" and item.retries > 1)
    report.history(screen, retried, jobs[retried])
    screen.heading("The dead letters")
    report.dead_letters(screen, expect, jobs)
    screen.heading("The exported files")
    report.exports(screen, expect, jobs)
    screen.heading("Who sees what")
    separation(screen, expect, jobs, of_bob)
    frappe.set_user("Administrator")


def set_up(screen: Screen) -> None:
    started = time.monotonic()
    scene.build()
    for party in (ALICE, BOB):
        screen.say(f"{party.organization}: {party.user}, {party.todos} ToDos, {party.contacts} Contacts")
    screen.say("Both users have one role, Dartwing User, and may export what is theirs.")
    screen.say(f"Made in {time.monotonic() - started:.1f} s.")


def roll_back(screen: Screen, expect: Expectations) -> None:
    todo = frappe.get_doc({"doctype": "ToDo", "description": "never to be", "allocated_to": ALICE.user}).insert()
    job = submit_job("echo_job", ALICE.organization, {"say": "never to be"})
    expect.equal("What a submit says of its job before the commit", job.status, "Pending")
    frappe.db.rollback()
    expect.that(not frappe.db.exists("ToDo", todo.name), "The ToDo of the rolled back transaction is still there")
    answer = status_error(job.name)
    expect.that(answer != VISIBLE, "The job of the rolled back transaction exists")
    expect.equal("RQ entries of the rolled back transaction", seen_from_outside(), (0, 0))
    screen.say("Alice adds a ToDo and submits a job; then the transaction is rolled back.")
    screen.say(f"The ToDo is gone and so is the job: {answer}")


def submit_all(screen: Screen, expect: Expectations, planned: list[Planned]) -> Jobs:
    started = time.monotonic()
    jobs: Jobs = {}
    for item in planned:
        document = submit_job(item.job_type, ALICE.organization, item.parameters, priority=item.priority)
        jobs[document.name] = item
    screen.say(f"Alice submits {plural(len(jobs), 'job')} in {time.monotonic() - started:.2f} s.")
    again = next(item for item in planned if item.job_type == "export_records")
    screen.say(f"One of them once more, by mistake: {duplicate(again, jobs, expect)}")
    in_table, in_redis = seen_from_outside()
    screen.say(f"Before the commit, others see {plural(in_table, 'job')} in the table, {in_redis} in the queue.")
    expect.equal("Jobs and RQ entries before the commit", (in_table, in_redis), (0, 0))
    started = time.monotonic()
    frappe.db.commit()
    took = time.monotonic() - started
    in_table, _in_redis = seen_from_outside()
    screen.say(f"The commit, with queueing, took {took * 1000:.0f} ms: others see {plural(in_table, 'job')} now.")
    expect.equal("Jobs after the commit", in_table, len(jobs))
    return jobs


def duplicate(item: Planned, jobs: Jobs, expect: Expectations) -> str:
    """Submit the same job again; what the engine answers."""
    try:
        submit_job(item.job_type, ALICE.organization, item.parameters)
    except DuplicateJobError as error:
        expect.that(jobs.get(error.existing_job_id or "") == item, "DuplicateJobError names another job")
        return f"refused. {error}"
    expect.that(False, f"The same job was taken twice: {item.label}")
    return "taken, which it should not be."


def submit_for_bob() -> str:
    with as_user(BOB.user):
        job = submit_job("sample_job", BOB.organization, {"duration": 0.5})
        frappe.db.commit()
        return job.name


def watch(screen: Screen, jobs: Jobs) -> None:
    """Follow the jobs to their end, or to the time limit; on the way, cancel the one that is to be canceled."""
    board = Board({job_id: item.label for job_id, item in jobs.items()})
    to_cancel = {job_id for job_id, item in jobs.items() if item.to_be_canceled}
    with view(screen) as shown:
        while True:
            frappe.db.rollback()  # nothing to lose, only a fresh snapshot
            found = list_jobs(organization=ALICE.organization, limit=100)["jobs"]
            board.rows = [row for row in found if row["job_id"] in jobs]
            shown.update(board)
            if board.all_ended or board.seconds > RUN_LIMIT:
                break
            for row in board.having(JobStatus.RUNNING):
                if row["job_id"] in to_cancel and board.seconds > CANCEL_AFTER:
                    to_cancel.remove(row["job_id"])
                    cancel_job(row["job_id"], reason="shown in the demo")
                    frappe.db.commit()
            time.sleep(REFRESH_SECONDS)
    if not board.all_ended:
        screen.say(f"Not all of them ended within {RUN_LIMIT:.0f} s.")


def separation(screen: Screen, expect: Expectations, jobs: Jobs, of_bob: str) -> None:
    """Neither user sees anything of the other's jobs."""
    frappe.db.rollback()
    failed_before = len(expect.failed)
    screen.say(f"Bob has submitted one job, for {BOB.organization}.")
    of_alice = next(iter(jobs))
    for party, own, other, foreign in ((ALICE, len(jobs), BOB, of_bob), (BOB, 1, ALICE, of_alice)):
        with as_user(party.user):
            found = list_jobs()["total"], list_jobs(organization=other.organization)["total"]
            answer, made_up = status_error(foreign), status_error("JOB-none")
        name = party.name
        screen.say(f"{name} sees {plural(found[0], 'job')}, {found[1]} of {other.organization}.")
        screen.say(f"{name} asks for a job of {other.name}'s: {answer}")
        expect.equal(f"Jobs that {name} sees, in all and of {other.organization}", found, (own, 0))
        expect.that(answer != VISIBLE, f"{name} can read {other.name}'s job {foreign}")
        same = answer.replace(foreign, "") == made_up.replace("JOB-none", "")
        expect.that(same, f"{name} can tell a foreign job from one that does not exist: {answer} / {made_up}")
    if len(expect.failed) == failed_before:
        screen.say("A job that does not exist gets the same answer.")
    with as_user(BOB.user):
        expect.equal("Bob's job", get_job_status(of_bob)["status"], "Completed")


def status_error(job_id: str) -> str:
    """The error for a user who may not see a job; VISIBLE if they do see it."""
    try:
        get_job_status(job_id)
    except JobNotFoundError as error:
        return str(error)
    return VISIBLE


def seen_from_outside() -> tuple[int, int]:
    """How many jobs another database connection sees, and for how many jobs Redis has an entry."""
    settings = dict(frappe.db.get_connection_settings())
    settings.pop("cursorclass", None)
    with pymysql.connect(**settings) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM `tabBackground Job`")
        [in_table] = cursor.fetchone()
    return in_table, sum(1 for _ in get_redis_conn().scan_iter("rq:job:*JOB-*"))


@contextmanager
def as_user(user: str) -> Iterator[None]:
    before = frappe.session.user
    frappe.set_user(user)
    try:
        yield
    finally:
        frappe.set_user(before)
