"""Submit, take and settle with 1,000,000 finished and 100,000 waiting jobs, beside the same with an empty table.

In this process, one job at a time: `submit_job` with its commit, the take of a job, its settle. First with an empty
table, then with the full one, then (without a target) with as many more in line, then with an empty table again, so
that both sides see the machine alike. Finished jobs have an attempt and two lines of history. The site must have no
jobs: its tables are emptied afterwards.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import frappe

from benchmarks import _report, _settles, _site
from dartwing_core.jobs import submit_job
from dartwing_core.jobs.lib import config
from tests.support import attempts, factory, population

FINISHED, WAITING = 1_000_000, 100_000
WARM_UP, ROUNDS = 20, 300
ORGANIZATIONS = 50
MOST = 1.2
STEPS = ("submit", "take", "settle")
Times = dict[str, list[float]]


def measure(rounds: int) -> Times:
    """Milliseconds of each step, and of all three."""
    times: Times = {step: [] for step in (*STEPS, "together")}
    with _settles.timed() as settles:
        for number in range(WARM_UP + rounds):
            began = time.perf_counter()
            submit_job("test_benchmark", _site.ORGANIZATION, {"n": number})
            frappe.db.commit()
            submitted = time.perf_counter()
            job = attempts.begun_next()
            taken = time.perf_counter()
            if job is None:
                raise SystemExit("Nobody was in line after a submit.")
            job.make()
            steps = (submitted - began, taken - submitted, settles[-1] / 1000)
            for step, seconds in zip((*STEPS, "together"), (*steps, sum(steps)), strict=True):
                times[step].append(1000 * seconds)
    return {step: values[WARM_UP:] for step, values in times.items()}


@contextmanager
def own_tables() -> Iterator[None]:
    """Refuses a site that has jobs; empties their tables at the end, since to delete a million takes minutes."""
    if frappe.db.count(config.JOB):
        sys.exit("This site has jobs of its own: measure on another one.")
    try:
        yield
    finally:
        empty()


def empty() -> None:
    frappe.db.rollback()
    for doctype in (config.JOB, config.RUN, config.LOG):
        frappe.db.sql_ddl(f"TRUNCATE TABLE `tab{doctype}`")


def fill(finished: int, waiting: int) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    factory.wipe()  # population makes attempts for all jobs that it finds
    population.fill_history(_site.job_type("benchmark", "nothing"), finished, waiting)
    return time.monotonic() - began


def size() -> float:
    """GB of the three tables with their indexes, as the server estimates."""
    names = [f"tab{doctype}" for doctype in (config.JOB, config.RUN, config.LOG)]
    query = (
        "SELECT SUM(data_length + index_length) FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_name IN %s"
    )
    return float(frappe.db.sql(query, (names,))[0][0]) / 2**30


def run(finished: int = FINISHED, waiting: int = WAITING, rounds: int = ROUNDS) -> _report.Report:
    report = _report.Report(f"history: submit, take and settle with {finished:,} finished and {waiting:,} waiting jobs")
    with _site.site(), own_tables():
        print(_report.where())
        _site.job_type("benchmark", "nothing")
        found = {"empty": measure(rounds)}
        seconds = fill(finished, waiting)
        print(f"Filled in {seconds:.0f} s: {size():.1f} GB\n", flush=True)
        found["full"] = measure(rounds)
        _site.line_up("nothing", waiting, ORGANIZATIONS)
        found["full, and in line"] = measure(rounds)
        empty()
        found["empty again"] = measure(rounds)
    middle = {text: {step: statistics.median(each) for step, each in times.items()} for text, times in found.items()}
    steps = list(middle["empty"])
    report.table([f"ms, median of {rounds}", *middle], [[s, *(each[s] for each in middle.values())] for s in steps])
    bare = {step: statistics.mean((middle["empty"][step], middle["empty again"][step])) for step in steps}
    for step in steps:
        report.target(f"{step}: with history ÷ with an empty table", middle["full"][step] / bare[step], MOST)
    in_line = middle["full, and in line"]["together"] / bare["together"]
    report.figure(f"together: with history and {waiting:,} in line ÷ with an empty table", in_line)
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev bench history")
    parser.add_argument("--finished", type=int, default=FINISHED)
    parser.add_argument("--waiting", type=int, default=WAITING)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    run(**vars(parser.parse_args())).exit()
