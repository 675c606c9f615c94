"""Admission with 100,000 jobs of 200 organizations in line, in this process.

A pass that fills a window, with its commits and its entries in RQ; one that finds it full; one that fills a window by
turns with jobs of this queue and of the one behind it (`lifting`); and jobs that line up when their time has come, in
batches of the sweeper.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import frappe

from benchmarks import _report, _site
from dartwing_core.jobs import admission, config, queue_look, sql, waiting
from tests.support import population, queues
from tests.support.database import statements

JOBS, ORGANIZATIONS, WINDOW = 100_000, 200, 8
WARM_UP, ROUNDS = 3, 30
MOST_MS, LEAST_ROWS_A_SECOND = 20, 5_000


def passes(make_room: Callable[[], object], queue: str = "default") -> list[float]:
    """Milliseconds of each pass."""
    times = []
    for _round in range(WARM_UP + ROUNDS):
        make_room()
        began = time.perf_counter()
        admission.admit(queue)
        times.append(1000 * (time.perf_counter() - began))
    return times[WARM_UP:]


def empty_window() -> None:
    """Let all that is Queued be done."""
    frappe.db.sql(f"UPDATE `tab{config.JOB}` SET status = 'Completed' WHERE status = 'Queued'")
    frappe.db.commit()
    _site.clear_queue()


def line_up_for_short() -> None:
    """Two jobs of each organization wait for the queue that workers serve first."""
    frappe.db.sql(
        f"UPDATE `tab{config.JOB}` SET queue = 'short', priority = 'High' WHERE in_line = 1 AND queue = 'default'"
        " ORDER BY name LIMIT %s",
        (2 * ORGANIZATIONS,),
    )
    frappe.db.commit()


def empty_windows_with_workers() -> None:
    """Without a worker that serves both queues nobody is lifted; their jobs are quick."""
    empty_window()
    queues.serve_all()
    queue_look.note_end("short", "test_benchmark", 0.05)


def lifted() -> int:
    """How many jobs of the last pass are of another queue."""
    query = (
        f"SELECT COUNT(*) FROM `tab{config.JOB}` WHERE queue = 'short' AND priority = 'Normal' AND status = 'Queued'"
    )
    return frappe.db.sql(query)[0][0]


def promotion(batch: int) -> list[float]:
    """Rows a second, for each batch."""
    found = []
    for _round in range(WARM_UP + ROUNDS):
        frappe.db.sql(
            f"UPDATE `tab{config.JOB}` SET in_line = 0 WHERE in_line = 1 AND queue = 'default' LIMIT %s", (batch,)
        )
        frappe.db.commit()
        began = time.perf_counter()
        number = sql.committed(lambda: waiting.line_up_due(batch))
        found.append(number / (time.perf_counter() - began))
        if number != batch:
            raise SystemExit(f"{batch} jobs were due: {number}")
    return found[WARM_UP:]


def row(text: str, values: list[float]) -> list[object]:
    return [text, statistics.median(values), _report.percentile(values, 95), max(values)]


def main() -> None:
    report = _report.Report(f"admission: {JOBS:,} jobs of {ORGANIZATIONS} organizations in line")
    with _site.site():
        print(_report.where())
        population.line_up(_site.job_type("benchmark", "nothing"), JOBS, ORGANIZATIONS)
        filling = passes(empty_window)
        full = passes(lambda: None)
        line_up_for_short()
        lifting = passes(empty_windows_with_workers, "short")
        if not lifted():
            raise SystemExit("Nobody was lifted.")
        empty_window()
        with statements() as asked:
            admission.admit("default")
        batch = config.settings().sweep_batch
        promoted = promotion(batch)
    rows = [
        row(f"fills a window of {WINDOW}", filling),
        row("finds it full", full),
        row("fills it from two queues", lifting),
    ]
    report.table(["ms of a pass that", "median", "p95", "max"], rows)
    report.table(["jobs a second that line up", "median", "least"], [["", statistics.median(promoted), min(promoted)]])
    print(f"A pass that fills a window: {len(asked)} SQL statements\n")
    report.target("a pass that fills a window, median", statistics.median(filling), MOST_MS, " ms")
    report.target("a pass that finds it full, median", statistics.median(full), MOST_MS, " ms")
    report.target("ms for 1,000 jobs that line up", 1e6 / statistics.median(promoted), 1e6 / LEAST_ROWS_A_SECOND, " ms")
    report.exit()


if __name__ == "__main__":
    main()
