"""From the call of `frappe.enqueue` or `submit_job` to the job's first line of code, and to its visible end.

Jobs come one at a time, ours and bare ones in turn, to workers that are idle: the process of the job before has ended.
The start is noted by the job's own code; the end is when somebody who asks every millisecond learns of it: from RQ for
a bare job, which has nothing else to ask, and from the database for ours.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import frappe
from rq.job import Job

from benchmarks import _bare, _report, _site, _workers
from dartwing_core.jobs import submit_job
from dartwing_core.jobs.lib import config
from tests.support.database import another_connection
from tests.support.processes import queue_client
from tests.support.waiting import until

WARM_UP, ROUNDS = 5, 100
MOST = 1.3
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
    until(lambda: not any(worker.children() for worker in workers), 30, "the end of the processes")
    began, ended = call(str(stamps))
    return 1000 * (float(stamps.read_text()) - began), 1000 * (ended - began)


def run(rounds: int = ROUNDS) -> _report.Report:
    report = _report.Report("latency: from the call to the job's start and end, idle workers, one job at a time")
    stamps = Path(os.environ["DW_RUN_DIR"]) / "stamps"
    times: dict[str, list[tuple[float, float]]] = {"frappe.enqueue": [], "submit_job": []}
    with _site.site():
        print(_report.where())
        _site.job_type("benchmark", "stamp")
        frappe.set_user(_site.member())
        with _workers.workers(2) as workers, another_connection() as connection:
            for _ in range(WARM_UP + rounds):
                times["frappe.enqueue"].append(one(bare, stamps, workers))
                times["submit_job"].append(one(lambda path: ours(path, connection), stamps, workers))
    rows = []
    for name, pairs in times.items():
        starts, ends = zip(*pairs[WARM_UP:], strict=True)
        p95 = _report.percentile
        rows.append([name, statistics.median(starts), p95(starts, 95), statistics.median(ends), p95(ends, 95)])
    rows.append(["ratio", *(b / a for a, b in zip(rows[0][1:], rows[1][1:], strict=True))])
    report.table(["ms from the call to", "start p50", "start p95", "end p50", "end p95"], rows)
    report.target("call to start, submit_job ÷ frappe.enqueue", float(rows[-1][1]), MOST)
    return report


if __name__ == "__main__":
    run().exit()
