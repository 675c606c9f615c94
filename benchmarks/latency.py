"""From the call of `frappe.enqueue` or `submit_job` to the job's first line of code, and to its visible end.

Jobs come one at a time, ours and bare ones in turn, to workers that are idle: the process of the job before has ended.
The start is noted by the job's own code; the end is when somebody who asks every millisecond learns of it: from RQ for
a bare job, which has nothing else to ask, and from the database for ours.

Then all is counted that a lone no-op of ours asks of MariaDB and Redis, from our entry point to the end of its
follow-up: each statement, those that open a connection and commits too. Its process then looks once for another job
and for a sweep, which is counted apart. It does not linger.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import frappe
from rq.job import Job

from benchmarks import _bare, _lone, _report, _site, _wire, _workers
from dartwing_core.jobs import submit_job
from dartwing_core.jobs.lib import config
from tests.support.database import another_connection
from tests.support.processes import queue_client

WARM_UP, ROUNDS = 5, 100
MOST, MOST_STATEMENTS, MOST_ROUND_TRIPS = 1.3, 12, 5
QUERY = f"SELECT status FROM `tab{config.JOB}` WHERE name = %s"


def wait(done: Callable[[], bool]) -> float:
    """The time at which `done` was seen true."""
    pause = threading.Event()
    deadline = time.monotonic() + 30
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("A job did not end.")
        pause.wait(0.001)
    return time.time()


def bare(stamps: str) -> tuple[float, float]:
    """When it was called, and when its end was seen."""
    client = queue_client()
    began = time.time()
    job = frappe.enqueue(_bare.stamp, queue="default", path=stamps)
    key = Job.key_for(job.id)
    return began, wait(lambda: client.hget(key, "status") == b"finished")


def ours(stamps: str, connection) -> tuple[float, float]:
    """When `submit_job` was called, and when another connection saw the job's end."""
    began = time.time()
    job = submit_job("test_benchmark", _site.ORGANIZATION, {"path": stamps})
    frappe.db.commit()

    def completed() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(QUERY, (job.name,))
            return cursor.fetchone()[0] == "Completed"

    return began, wait(completed)


def one(
    call: Callable[[str], tuple[float, float]], stamps: Path, workers: Sequence[_workers.Worker]
) -> tuple[float, float]:
    """Milliseconds to the job's start, and to its end."""
    stamps.unlink(missing_ok=True)
    _workers.wait_until_idle(workers)
    began, ended = call(str(stamps))
    return 1000 * (float(stamps.read_text()) - began), 1000 * (ended - began)


def measure(rounds: int) -> list[list[Any]]:
    """Of each side, and their ratio: start p50 and p95, end p50 and p95, in milliseconds."""
    stamps = Path(os.environ["DW_RUN_DIR"]) / "stamps"
    times: dict[str, list[tuple[float, float]]] = {"frappe.enqueue": [], "submit_job": []}
    _site.job_type("benchmark", "stamp")
    frappe.set_user(_site.member())
    with _workers.workers(2) as workers, another_connection() as connection:
        for _ in range(WARM_UP + rounds):
            times["frappe.enqueue"].append(one(bare, stamps, workers))
            times["submit_job"].append(one(lambda path: ours(path, connection), stamps, workers))
    rows: list[list[Any]] = []
    for name, pairs in times.items():
        starts, ends = zip(*pairs[WARM_UP:], strict=True)
        p95 = _report.percentile
        rows.append([name, statistics.median(starts), p95(starts, 95), statistics.median(ends), p95(ends, 95)])
    return [*rows, ["ratio", *(b / a for a, b in zip(rows[0][1:], rows[1][1:], strict=True))]]


def count() -> tuple[_wire.Count, _wire.Count]:
    """What a lone job asks to the end of its follow-up, and until its process ends; of the median job."""
    counts = []
    with _wire.counted() as wire, _lone.jobs(_lone.execute_marked) as run_one:
        for _ in range(2 * WARM_UP + 1):
            wire.take()
            run_one()
            asked = wire.take().asked
            begins, follows, *ends = [n for n, each in enumerate(asked) if _lone.MARK in each.text]
            counts.append((asked[begins + 1 : follows], asked[follows + 1 : max(ends, default=0)]))
    lone, look = sorted(counts[WARM_UP:], key=lambda pair: len(pair[0]) + len(pair[1]))[len(counts[WARM_UP:]) // 2]
    return _wire.Count(lone), _wire.Count(lone + look)


def run(rounds: int = ROUNDS) -> _report.Report:
    report = _report.Report("latency: from the call to the job's start and end, idle workers, one job at a time")
    with _site.site():
        rows = measure(rounds)
        lone, whole = count()
    report.table(["ms from the call to", "start p50", "start p95", "end p50", "end p95"], rows)
    for number, each in enumerate(lone.asked, 1):
        print(f"{number:2} {'SQL' if each.is_statement else 'Redis':5} {each.short}")
    print()
    report.add("call to start, submit_job ÷ frappe.enqueue", rows[-1][1], MOST)
    report.add("lone job: SQL statements, all", len(lone.statements), MOST_STATEMENTS)
    report.add("lone job: round trips to Redis", len(lone.round_trips), MOST_ROUND_TRIPS)
    report.add("lone job, and a look for another: SQL statements", len(whole.statements))
    report.add("lone job, and a look for another: round trips to Redis", len(whole.round_trips))
    return report


if __name__ == "__main__":
    _report.main(run)
