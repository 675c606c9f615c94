"""The outcome of the jobs: tables for the reader, and each outcome against the plan."""

from __future__ import annotations

import csv
import io
import statistics
from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import Any

import frappe
from frappe.utils.xlsxutils import read_xlsx_file_from_attached_file

from dartwing_core.jobs import JobNotFoundError, JobStatus, get_job_history, get_job_status, open_file

from .expectations import Expectations
from .plan import DELIVERIES, Planned
from .receiver import TROUBLESOME, Receiver
from .scene import ALICE, BOB
from .screen import Screen, plural

FIRST_LINES = 5


def outcomes(screen: Screen, expect: Expectations, jobs: dict[str, Planned]) -> None:
    """A row for each type, how long its jobs waited and ran; each job against what the plan says."""
    frappe.db.rollback()
    by_type: dict[str, list[dict[str, Any]]] = {}
    for job_id, item in jobs.items():
        status = get_job_status(job_id)
        check(expect, item, status)
        waited_ran = waited_and_ran(get_job_history(job_id)["history"])
        by_type.setdefault(item.job_type, []).append({**status, **waited_ran})
    counts = ("", "submitted", "completed", "retried", "dead letter", "canceled")
    screen.table(counts, [(job_type, *counted(rows)) for job_type, rows in by_type.items()], numbers=True)
    screen.gap()
    times = ("seconds", "waited: median", "longest", "ran: median", "longest")
    screen.table(times, [(job_type, *timed(rows)) for job_type, rows in by_type.items()], numbers=True)
    screen.say("Waited: from being queued to the first start. Ran: all attempts together.")


def counted(rows: list[dict[str, Any]]) -> list[str]:
    statuses = Counter(row["status"] for row in rows)
    retried = sum(row["attempt"] > 1 for row in rows)
    ends = (statuses[JobStatus.DEAD_LETTER], statuses[JobStatus.CANCELED])
    return [str(count or "·") for count in (len(rows), statuses[JobStatus.COMPLETED], retried, *ends)]


def timed(rows: list[dict[str, Any]]) -> list[str]:
    cells = []
    for what in ("waited", "ran"):
        values = [row[what] for row in rows if row[what] is not None]
        cells += [f"{statistics.median(values):.2f}", f"{max(values):.2f}"] if values else ["·", "·"]
    return cells


def waited_and_ran(history: list[dict[str, Any]]) -> dict[str, float | None]:
    """Seconds from being queued first to the first start, and in all attempts together."""
    moments = [(event["to_status"], datetime.fromisoformat(event["timestamp"])) for event in history]
    queued = next((at for status, at in moments if status == JobStatus.QUEUED), None)
    start = next((at for status, at in moments if status == JobStatus.RUNNING), None)
    if queued is None or start is None:
        return {"waited": None, "ran": None}
    attempts = [(begin, end) for (status, begin), (_next, end) in pairwise(moments) if status == JobStatus.RUNNING]
    ran = sum((end - begin).total_seconds() for begin, end in attempts)
    return {"waited": (start - queued).total_seconds(), "ran": ran}


def check(expect: Expectations, item: Planned, status: dict[str, Any]) -> None:
    """One job against its plan."""
    name = f"{item.job_type}, {item.label}"
    error = f" ({status['error_message']})" if status["error_message"] else ""
    expect.that(status["status"] == item.ends, f"{name}: expected {item.ends}, found {status['status']}{error}")
    if status["status"] != item.ends:
        return
    expect.equal(f"{name}: retries", status["retry_count"], item.retries)
    if item.error:
        found = status["error_message"] or "none"
        expect.that(item.error in found, f"{name}: expected the error {item.error}, found {found}")
    if item.job_type == "echo_job":
        expect.equal(f"{name}: result", status["result"], {"echo": item.parameters})


def deliveries(screen: Screen, expect: Expectations, receiver: Receiver) -> None:
    """Each payload taken exactly once, although some came several times."""
    received = sum(receiver.tries.values())
    expect.equal("Deliveries accepted", sorted(receiver.accepted.values()), list(range(1, DELIVERIES + 1)))
    expect.equal("Different idempotency keys", len(receiver.tries), DELIVERIES)
    expect.equal("Requests without an idempotency key", receiver.without_key, 0)
    expect.equal("Deliveries recognized as a repetition", receiver.recognized, [TROUBLESOME])
    screen.gap()
    twice = sorted(number for number, times in Counter(receiver.accepted.values()).items() if times > 1)
    accepted = plural(len(receiver.accepted), "payload") + (f", some twice: {twice}" if twice else ", none twice")
    screen.say(f"The receiver got {plural(received, 'request')} and accepted {accepted}.")
    for number in receiver.recognized:
        screen.say(
            f"Delivery {number} it had accepted but answered 500, as when an answer gets lost. The retry came with the "
            "same Idempotency-Key, so it was not accepted twice."
        )


def history(screen: Screen, job_id: str, item: Planned) -> None:
    """A job's own account of itself, in seconds since it was created."""
    events = get_job_history(job_id)["history"]
    began = datetime.fromisoformat(events[0]["timestamp"])
    screen.say(f"{item.label}, {job_id}")
    for event in events:
        seconds = (datetime.fromisoformat(event["timestamp"]) - began).total_seconds()
        screen.verbatim([f"{seconds:6.2f} s  {event['message']}"])


def dead_letters(screen: Screen, expect: Expectations, jobs: dict[str, Planned]) -> None:
    """The jobs that were given up, with their error."""
    found = {job_id: get_job_status(job_id) for job_id in jobs}
    dead = {job_id: status for job_id, status in found.items() if status["status"] == JobStatus.DEAD_LETTER}
    expect.equal("Dead letters", len(dead), sum(item.ends == JobStatus.DEAD_LETTER for item in jobs.values()))
    rows = [
        (jobs[job_id].label, str(status["attempt"]), status["error_type"] or "", status["error_message"] or "")
        for job_id, status in dead.items()
    ]
    if rows:
        screen.table(("", "attempts", "kind", "error"), rows)
        screen.say("They stay until somebody retries or deletes them.")


def exports(screen: Screen, expect: Expectations, jobs: dict[str, Planned]) -> None:
    """Each file holds its owner's records, and the other user can't read it; of the first CSV, the beginning."""
    failed_before = len(expect.failed)
    rows: list[tuple[str, str, str]] = []
    first_url, first_lines = "", list[str]()
    for job_id, item in jobs.items():
        if item.rows is None:
            continue
        status = get_job_status(job_id)
        if status["status"] != JobStatus.COMPLETED:
            continue  # a failed check already
        url, name = status["output_reference"], status["result"]["file_name"]
        content = content_for(ALICE.user, job_id, name)
        expect.that(content is not None, f"{item.label}: its owner may not read the file {name}")
        expect.that(content_for(BOB.user, job_id, name) is None, f"{item.label}: Bob may read Alice's file")
        if content is None:
            continue
        expect.equal(f"{item.label}: records in the file", records_in(content, item), item.rows)
        rows.append((item.label, str(item.rows), f"{len(content) / 1024:.0f} KB"))
        if not first_lines and item.parameters["file_format"] == "csv":
            first_url, first_lines = url, content.decode("utf-8-sig").splitlines()[:FIRST_LINES]
    if rows:
        screen.table(("", "records", "size"), rows, numbers=True)
    if len(expect.failed) == failed_before:
        screen.say("Only Alice's records are in them, and only she can read them, not Bob.")
    if first_lines:
        screen.say(f"{first_url} begins:")
        screen.verbatim(first_lines)


def content_for(user: str, job_id: str, name: str) -> bytes | None:
    """What is in a file of a job. None if this user may not read it."""
    frappe.set_user(user)
    try:
        with open_file(job_id, name) as file:
            return file.read()
    except JobNotFoundError:
        return None
    finally:
        frappe.set_user("Administrator")


def records_in(content: bytes, item: Planned) -> int:
    """How many records the file holds, the header left out."""
    if item.parameters["file_format"] == "xlsx":
        return len(read_xlsx_file_from_attached_file(fcontent=content)) - 1
    return sum(1 for _row in csv.reader(io.StringIO(content.decode("utf-8-sig")))) - 1
