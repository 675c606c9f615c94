"""`./dev demo`: a worker is killed and its job finishes; then forty real jobs with real failures.

It uses the engine as an app would, through `dartwing_core.jobs`. People and most jobs are those of `./dev serve`.
"""

from __future__ import annotations

import json
import os
import signal
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import frappe
import psutil
from frappe.permissions import update_permission_property

from dartwing_core.jobs import (
    JobNotFoundError,
    JobStatus,
    cancel_job,
    get_job_history,
    get_job_status,
    list_jobs,
    open_file,
    submit_job,
)

from .launcher import attach
from .living_site import PEOPLE, Person, make_accounts
from .processes import Process
from .shop_jobs import WITHOUT_ADDRESS

_ADA, ALICE, _BERTA, BOB = PEOPLE
TODOS = 40
LOST_AFTER = 5
"""Seconds without a sign of life after which a worker is taken for lost; 20 unless you set it."""
PATIENCE = 60.0
"""Seconds until the demo gives up."""
LOOK = 0.1
CANCEL_AFTER = 2.0
WIDTH = 120
ENDED = (JobStatus.COMPLETED, JobStatus.DEAD_LETTER, JobStatus.CANCELED)

checks: list[tuple[bool, str]] = []
"""Whether what this text says is so."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One of the forty jobs, and how it should end."""

    job_type: str
    parameters: dict[str, Any]
    ends: JobStatus = JobStatus.COMPLETED
    retries: int = 0
    """How many attempts fail before another one is made."""
    priority: str | None = None


def planned_jobs() -> Iterator[Planned]:
    """The forty jobs, in the order of their submit."""
    yield Planned("shop_prices", {"supplier": "Otter Trading", "pages": 60}, JobStatus.CANCELED, priority="High")
    always_fails = {"fail_type": "transient", "duration": 0.4}
    yield Planned("sample_job", always_fails, JobStatus.DEAD_LETTER, retries=3, priority="High")
    yield Planned("shop_statement", {"customer": WITHOUT_ADDRESS}, JobStatus.DEAD_LETTER)
    yield Planned("shop_statement", {"customer": "Tern Ferries"})
    for number in range(1, 7):
        yield Planned("shop_delivery_note", {"number": number}, retries=int(number % 3 == 0))
    for file_format in ("csv", "xlsx"):
        for status in ("Open", "Closed"):
            export = {"doctype": "ToDo", "fields": ["description", "status"], "filters": {"status": status}}
            yield Planned("export_records", export | {"file_format": file_format})
    for number in range(1, 27):
        yield Planned("echo_job", {"say": f"Hello {number}"})


def main(_site: str) -> int:
    """Run the demo, connected as Administrator. Returns 0 if all is as it should be, else 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as by Ctrl-C
    heading("A tour of dartwing_core, with a real site, database, queue and workers")
    make_accounts()
    prepare()
    stage = attach()
    cli = json.loads(os.environ["DW_CLI_COMMAND"])
    try:
        stage.start("agent", [*cli, "--site", stage.site, "job-engine", "agent"])  # looks for due work each second
        workers = [stage.start_worker() for _ in range(2)]
        stage.wait_for_workers(2)
        frappe.set_user(ALICE.user)
        kill_a_worker(workers)
        stage.start_worker()
        roll_back()
        jobs = submit_all()
        watch(jobs)
        check_exports(jobs)
        check_separation(jobs)
    except KeyboardInterrupt:
        print("\nInterrupted. Ending the workers …")
        frappe.db.close()  # it may be in the middle of a query
        return 130
    finally:
        stage.stop()
    return conclude()


def prepare() -> None:
    """Make records to export, and commit. Retries come after a second, not after minutes."""
    for job_type in ("sample_job", "shop_delivery_note"):
        frappe.get_doc("Job Type", job_type).update({"retry_delays": "1"}).save()
    frappe.get_doc("Job Engine Settings").update({"lease_seconds": LOST_AFTER}).save()
    update_permission_property("ToDo", "All", 0, "export", 1)  # Frappe lets nobody but System Managers export
    for person in (ALICE, BOB):
        with as_user(person):
            for number in range(TODOS):
                todo = {"description": f"Send invoice {number}", "status": ("Open", "Closed")[number % 2]}
                todo["allocated_to"] = person.user
                frappe.get_doc({"doctype": "ToDo", **todo}).insert(ignore_permissions=True)
    frappe.db.commit()


def heading(text: str) -> None:
    print(f"\n{text}", flush=True)


def say(text: str) -> None:
    print(textwrap.fill(text, WIDTH, initial_indent="    ", subsequent_indent="    "), flush=True)


def check(is_so: bool, text: str) -> None:
    checks.append((is_so, text))


def conclude() -> int:
    """Show the checks. Returns the status of the demo."""
    heading("Checks")
    for is_so, text in checks:
        say(f"{'✓' if is_so else '✗ NOT SO:'} {text}")
    failed = sum(not is_so for is_so, _text in checks)
    say(f"{failed} of {len(checks)} checks failed." if failed else f"All {len(checks)} checks passed.")
    say("This site is removed now. ./dev serve makes one to look at in the browser.")
    return int(bool(failed))


# A worker is killed ---------------------------------------------------------------------------------------------------


def kill_a_worker(workers: list[Process]) -> None:
    """Kill the worker that runs a job, and let the job tell what became of it."""
    heading("A worker is killed")
    say("Alice's job writes an invoice, which takes two seconds. Two workers are there.")
    job = submit_job("shop_invoice", ALICE.organization, {"number": 1}).name
    frappe.db.commit()
    wait_for(job, JobStatus.RUNNING)
    time.sleep(1)
    victim = next(worker for worker in workers if psutil.Process(worker.pid).children())
    for process in [*psutil.Process(victim.pid).children(), psutil.Process(victim.pid)]:
        process.kill()
    say("After a second of it: kill -9. The worker is gone, in the middle of the job. The job tells of itself:")
    status = wait_for(job, *ENDED)
    tell(job)
    invoices = frappe.db.count("ToDo", {"description": "Invoice 1"})
    say(f"Invoices: {invoices}. What the first attempt wrote was rolled back with its transaction.")
    say(f"A worker counts as lost after {LOST_AFTER} s here, and after 20 s unless you set it.")
    check(status["status"] == "Completed" and status["attempt"] == 2, "The job of the killed worker has completed.")
    check(invoices == 1, "It has written its invoice once.")


def wait_for(job: str, *statuses: JobStatus) -> dict[str, Any]:
    """Wait until the job is in one of these states. Returns what there is to know of it."""
    began = time.monotonic()
    while (found := get_job_status(job))["status"] not in statuses and time.monotonic() - began < PATIENCE:
        time.sleep(LOOK)
        frappe.db.rollback()  # a fresh snapshot
    return found


def tell(job: str) -> None:
    """A job's own account of itself, in seconds since it was created."""
    events = get_job_history(job)["history"]
    first = datetime.fromisoformat(events[0]["timestamp"])
    for event in events:
        say(f"{(datetime.fromisoformat(event['timestamp']) - first).total_seconds():6.2f} s  {event['message']}")


# The transaction ------------------------------------------------------------------------------------------------------


def roll_back() -> None:
    """A job of a transaction that is rolled back."""
    heading("A transaction is rolled back")
    job = submit_job("echo_job", ALICE.organization, {"say": "never to be"}).name
    frappe.db.rollback()
    is_gone = not is_seen(job)
    say("Alice submits a job, and her transaction is rolled back. " + ("There is no job." if is_gone else "Oh."))
    check(is_gone, "A rolled back transaction leaves no job.")


def submit_all() -> dict[str, Planned]:
    """Submit the forty jobs in one transaction. Returns them by their ids."""
    planned = list(planned_jobs())
    heading(f"{len(planned)} jobs in one transaction")
    began = time.monotonic()
    jobs = {
        submit_job(one.job_type, ALICE.organization, one.parameters, priority=one.priority).name: one for one in planned
    }
    frappe.db.commit()
    say(f"Alice submits {len(jobs)} jobs and commits, in {time.monotonic() - began:.2f} s.")
    return jobs


# The workers ----------------------------------------------------------------------------------------------------------


def watch(jobs: dict[str, Planned]) -> None:
    """Follow the jobs to their end, cancel one on the way, and check how each ended."""
    heading("Two workers run them")
    say(f"A retry comes after a second here. After {CANCEL_AFTER:.0f} s Alice cancels a job that takes half a minute.")
    to_cancel = {job for job, one in jobs.items() if one.ends == JobStatus.CANCELED}
    began, told, ended = time.monotonic(), set[tuple[str, int]](), 0
    while ended < len(jobs) and time.monotonic() - began < PATIENCE:
        time.sleep(LOOK)
        frappe.db.rollback()  # a fresh snapshot
        rows = [row for row in list_jobs(limit=100)["jobs"] if row["job_id"] in jobs]
        ended = sum(row["status"] in ENDED for row in rows)
        for row in rows:
            event = row["job_id"], row["retry_count"]
            if row["status"] in ("Failed", "Dead Letter", "Canceled") and event not in told:
                told.add(event)
                say(f"{time.monotonic() - began:4.1f} s  {label(row)}: {row['status']} {row['error_message'] or ''}")
        if to_cancel and time.monotonic() - began > CANCEL_AFTER:
            cancel_job(to_cancel.pop(), reason="shown in the demo")
            frappe.db.commit()
    statuses = Counter(row["status"] for row in rows)
    say(f"After {time.monotonic() - began:.1f} s: {', '.join(f'{n} {status}' for status, n in statuses.items())}.")
    say("A Dead Letter has failed for good. It stays until somebody retries or deletes it.")
    for row in rows:
        one = jobs[row["job_id"]]
        if (row["status"], row["retry_count"]) != (one.ends, one.retries):
            check(False, f"{label(row)}: {one.ends} after {one.retries} retries, not {row['status']}")
    check(ended == len(jobs), f"All {len(jobs)} jobs have ended, as they should.")


def label(row: dict[str, Any]) -> str:
    return row["title"] or row["job_type"]


# What they did --------------------------------------------------------------------------------------------------------


def check_exports(jobs: dict[str, Planned]) -> None:
    """Each export has a file that only its owner can read."""
    heading("The exports")
    files = {job: get_job_status(job)["result"]["file_name"] for job, one in jobs.items() if "export" in one.job_type}
    lines = {name: read(job, name).count(b"\n") for job, name in files.items()}
    say(f"Files that the jobs have made: {len(files)}.")
    check(TODOS // 2 + 1 in lines.values(), "An export holds the records of Alice, and no others.")
    with as_user(BOB):
        check(not any(read(job, name) for job, name in files.items()), "Bob cannot open the files of Alice.")


def read(job: str, name: str) -> bytes:
    """A file of a job; empty for a user who may not see it."""
    with suppress(JobNotFoundError), open_file(job, name) as file:
        return file.read()
    return b""


def check_separation(jobs: dict[str, Planned]) -> None:
    """Neither user sees anything of the other's jobs."""
    heading("Who sees what")
    with as_user(BOB):
        of_bob = submit_job("echo_job", BOB.organization, {"say": "hello"}).name
        frappe.db.commit()
    of_alice = next(iter(jobs))
    for person, foreign, own in ((ALICE, of_bob, len(jobs) + 1), (BOB, of_alice, 1)):
        with as_user(person):
            seen, is_separate = list_jobs()["total"], not is_seen(foreign)
        say(f"Jobs that {person.name} sees: {seen}. For a job of the other company there is no answer.")
        check(seen == own and is_separate, f"{person.name} sees their own jobs, and none of the other company.")


def is_seen(job: str) -> bool:
    """Whether the job is there, for a user who may see it."""
    with suppress(JobNotFoundError):
        return bool(get_job_status(job))
    return False


@contextmanager
def as_user(person: Person) -> Iterator[None]:
    before = frappe.session.user
    frappe.set_user(person.user)
    try:
        yield
    finally:
        frappe.set_user(before)
