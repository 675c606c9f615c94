"""Batches of 10,000 jobs in this process: submit, progress, cancel and retry of the whole; what a member's end costs.

A member's settle looks whether it was the last one; a job without a batch does not. A job that waits for 1,000 others
is told about each by their settles.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import frappe

from benchmarks import _report, _site
from dartwing_core.jobs import batch, cancel_batch, chain, get_batch_status, group, job, retry_batch
from dartwing_core.jobs.after import batch_end, child_jobs
from dartwing_core.jobs.lib import config
from tests.support.database import statements

JOBS, PARENTS, ROUNDS = 10_000, 1_000, 200
MOST_SECONDS, MOST_LOOK_MS = 5, 2


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds until it is committed, and what came out."""
    began = time.perf_counter()
    found = call()
    frappe.db.commit()
    return time.perf_counter() - began, found


def parts(job_type: str, number: int) -> list[dict[str, Any]]:
    return [job(job_type, {"number": n, "text": "x" * 200}) for n in range(number)]


def submitted(*members: dict[str, Any], callback: str) -> tuple[float, Any]:
    made = batch(*members, on_complete=job(callback), on_success=job(callback), on_failure=job(callback))
    return timed(lambda: made.submit(_site.ORGANIZATION))


def set_status(name: str, status: str, number: int = JOBS) -> None:
    frappe.db.sql(
        f"UPDATE `tab{config.JOB}` SET status = %s, in_line = 0 WHERE parent_batch = %s LIMIT %s",
        (status, name, number),
    )
    frappe.db.commit()


def milliseconds(call: Callable[[], Any]) -> list[float]:
    times = []
    for _round in range(ROUNDS):
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return times


def row(text: str, values: list[float]) -> list[object]:
    return [text, statistics.median(values), _report.percentile(values, 95), max(values)]


def chord(job_type: str) -> tuple[float, list[float], int]:
    """Seconds to submit a job that waits for PARENTS; then ms to tell it of each, and statements of the dearest."""
    members = [{**part, "key": str(n)} for n, part in enumerate(parts(job_type, PARENTS))]
    seconds, made = submitted(chain(group(*members), job(job_type, {"last": 1})), callback=job_type)
    rows = frappe.get_all(config.JOB, {"parent_batch": made.name, "job_key": ["is", "set"]}, pluck="name")
    times, most = [], 0
    for name in sorted(rows, reverse=True):
        frappe.db.set_value(config.JOB, name, {"status": "Completed", "in_line": 0}, update_modified=False)
        frappe.db.commit()
        began = time.perf_counter()
        with statements() as asked:
            child_jobs.release_children([name])
        times.append(1000 * (time.perf_counter() - began))
        most = max(most, len(asked))
    return seconds, times, most


def main() -> None:
    report = _report.Report(f"batch: {JOBS:,} jobs")
    with _site.site():
        print(_report.where())
        plain = _site.job_type("benchmark", "nothing")
        once = _site.job_type("benchmark_dedup", "nothing", deduplication_window=300)
        frappe.set_user(_site.member())
        submitted(*parts(plain, 10), callback=plain)
        side_by_side, made = submitted(*parts(plain, JOBS), callback=plain)
        in_a_row, _made = submitted(chain(*parts(plain, JOBS)), callback=plain)
        deduplicated, other = submitted(*parts(once, JOBS), callback=plain)
        set_status(made.name, "Completed", JOBS // 2)
        looks = milliseconds(lambda: batch_end.close_ended([made.name]))
        progress = milliseconds(lambda: get_batch_status(made.name))
        canceled = timed(lambda: cancel_batch(made.name))[0]
        set_status(other.name, "Dead Letter")
        retried = timed(lambda: retry_batch(other.name))[0]
        to_chord, told, most = chord(plain)
    seconds = [
        ["submitted side by side", side_by_side],
        ["submitted as a chain", in_a_row],
        ["submitted, deduplicated", deduplicated],
        [f"{JOBS // 2:,} of them canceled", canceled],
        ["retried, deduplicated", retried],
        [f"submitted: one that waits for {PARENTS:,}", to_chord],
    ]
    report.table([f"{JOBS:,} jobs, with the commit and what follows it", "seconds"], seconds)
    rows = [row("a look at the batch by a member's settle", looks), row("get_batch_status", progress)]
    report.table(["ms", "median", "p95", "max"], [*rows, row(f"a child of {PARENTS:,} is told of a parent", told)])
    print(f"A child is told of a parent with {most} SQL statements at most\n")
    report.target(f"{JOBS:,} jobs side by side", side_by_side, MOST_SECONDS, " s")
    report.target(f"{JOBS:,} jobs as a chain", in_a_row, MOST_SECONDS, " s")
    report.target("a look by a member's settle, median", statistics.median(looks), MOST_LOOK_MS, " ms")
    report.exit()


if __name__ == "__main__":
    main()
