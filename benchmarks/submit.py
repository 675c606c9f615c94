"""`submit_job` beside two bare `doc.insert()` of the same row, in one run and in turn; and `submit_jobs` in bulk.

Background Job itself refuses `insert()`, so the bare rows go to a DocType made for this run: the same fields with the
same types, links and indexes, named by hash, without a controller. Two of them, since a submit writes two rows: the job
and the first line of its history.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import frappe

from benchmarks import _report, _site, _wire
from dartwing_core.jobs import submit_job, submit_jobs
from dartwing_core.jobs.lib import config

ROUNDS = 300
COUNTED = 20
LEAST_ROWS = 10_000
BULK_ROUNDS, BULK_ROWS = 3, 10_000
COUNTED_ROWS = 1_000
PARAMETERS = {"customer": "CUST-0001", "from": "2025-01-01", "to": "2025-12-31", "lines": list(range(20))}
BARE = "Benchmark Row"


@dataclass
class Subject:
    """One way of writing, and its times in milliseconds."""

    name: str
    call: Callable[[int], Any]
    calls: list[float] = field(default_factory=list)
    commits: list[float] = field(default_factory=list)

    def run(self, number: int) -> None:
        began = time.perf_counter()
        self.call(number)
        called = time.perf_counter()
        frappe.db.commit()
        ended = time.perf_counter()
        self.calls.append(1000 * (called - began))
        self.commits.append(1000 * (ended - called))

    @property
    def totals(self) -> list[float]:
        return [call + commit for call, commit in zip(self.calls, self.commits, strict=True)]


def bare_fields() -> list[dict[str, Any]]:
    kept = ("fieldname", "label", "fieldtype", "options", "reqd", "unique", "search_index", "length", "precision")
    return [{key: df.get(key) for key in kept} for df in frappe.get_meta(config.JOB).fields]


def composite_indexes() -> list[list[str]]:
    indexes: dict[str, list[str]] = {}
    for row in frappe.db.sql(f"SHOW INDEX FROM `tab{config.JOB}`", as_dict=True):
        indexes.setdefault(row.Key_name, []).append(row.Column_name)
    return [columns for columns in indexes.values() if len(columns) > 1]


def subjects(plain: str, deduplicated: str) -> list[Subject]:
    values = row_of_a_job(plain)

    def insert_twice(_number: int) -> None:
        for _ in range(2):
            frappe.get_doc({"doctype": BARE, **values}).insert()

    def submit(job_type: str) -> Callable[[int], Any]:
        return lambda number: submit_job(job_type, _site.ORGANIZATION, PARAMETERS | {"number": number})

    return [
        Subject("2 × doc.insert()", insert_twice),
        Subject("submit_job", submit(plain)),
        Subject("submit_job, deduplicated", submit(deduplicated)),
    ]


def row_of_a_job(job_type: str) -> dict[str, Any]:
    """The columns that `submit_job` writes, without the columns that `doc.insert()` fills by itself."""
    name = submit_job(job_type, _site.ORGANIZATION, PARAMETERS | {"number": 0}).name
    row = frappe.db.sql(f"SELECT * FROM `tab{config.JOB}` WHERE name = %s", (name,), as_dict=True)[0]
    frappe.db.rollback()
    own = {df.fieldname for df in frappe.get_meta(config.JOB).fields}
    return {column: value for column, value in row.items() if column in own and value is not None}


def measure(things: list[Subject], rounds: int) -> None:
    """All of them once a round, each round in another order."""
    order = random.Random(1)
    for number in range(-10, rounds):
        if number == 0:
            for thing in things:
                thing.calls.clear()
                thing.commits.clear()
            gc.collect()
        for thing in order.sample(things, len(things)):
            thing.run(number)


def count(things: list[Subject], user: str, job_type: str) -> dict[str, tuple[int, int]]:
    """Statements of the call, and of the commit with what follows it; the most that any of some calls needed."""
    found = {}
    with _wire.counted(here=True) as wire:
        frappe.set_user(user)
        for thing in things:
            calls, commits = [], []
            for number in range(COUNTED + 2):
                wire.take()
                thing.call(10_000 + number)
                calls.append(len(wire.take().work))
                frappe.db.commit()
                commits.append(len(wire.take().work))
            found[thing.name] = (max(calls[2:]), max(commits[2:]))
        submit_jobs(requests(job_type, -1, COUNTED_ROWS))
        call = len(wire.take().work)
        frappe.db.commit()
        found["submit_jobs"] = (call, len(wire.take().work))
    frappe.set_user(user)
    return found


def requests(job_type: str, number: int, rows: int) -> list[dict[str, Any]]:
    """So many that are all different."""
    common = {"job_type": job_type, "organization": _site.ORGANIZATION}
    return [common | {"parameters": {"round": number, "row": row}} for row in range(rows)]


def bulk(job_type: str, rows: int) -> tuple[float, float]:
    """Rows a second of `submit_jobs`, alone, and with commit and dispatch."""
    calls, totals = [], []
    for number in range(BULK_ROUNDS):
        wanted = requests(job_type, number, rows)
        began = time.perf_counter()
        submit_jobs(wanted)
        calls.append(rows / (time.perf_counter() - began))
        frappe.db.commit()
        totals.append(rows / (time.perf_counter() - began))
    return statistics.median(calls), statistics.median(totals)


def run(rounds: int = ROUNDS, bulk_rows: int = BULK_ROWS) -> _report.Report:
    report = _report.Report("submit: submit_job beside two bare doc.insert() of the same row")
    with _site.site():
        print(_report.where())
        user = _site.member()
        plain = _site.job_type("benchmark", "nothing")
        deduplicated = _site.job_type("benchmark_dedup", "nothing", deduplication_window=300)
        with _site.scratch_doctype(BARE, bare_fields()):
            for columns in composite_indexes():
                frappe.db.add_index(BARE, columns, "_".join(columns)[:58] + "_index")
            frappe.set_user(user)
            things = subjects(plain, deduplicated)
            measure(things, rounds)
            statements = count(things, user, plain)
            rows = bulk(plain, bulk_rows)
    show(report, things, statements, bulk_rows, rows)
    return report


def show(
    report: _report.Report, things: list[Subject], statements: dict, bulk_rows: int, rows: tuple[float, float]
) -> None:
    def line(thing: Subject) -> list[object]:
        p95 = _report.percentile(thing.calls, 95)
        call, total = statistics.median(thing.calls), statistics.median(thing.totals)
        return [thing.name, call, p95, total, *statements[thing.name]]

    head = ["ms, median", "call", "call p95", "call + commit", "statements", "after commit"]
    report.table(head, [line(thing) for thing in things])
    head = ["rows/s", "call", "call + commit", "statements", "after commit"]
    report.table(head, [[f"submit_jobs, {bulk_rows:,} jobs", *rows, *statements["submit_jobs"]]])
    bare, submit, deduplicated = things
    report.target(f"{submit.name}: SQL statements, with those of the commit", sum(statements[submit.name]), 3)
    # One more than its own: the SET NAMES of the connection that reads what is committed.
    report.target(f"{deduplicated.name}: SQL statements", statements[deduplicated.name][0], 6)
    for thing, most in ((submit, 0.5), (deduplicated, 1)):
        report.target(f"{thing.name}: time ÷ that of {bare.name}", ratio(thing.calls, bare.calls), most)
    report.figure(f"{submit.name}: the same with commit and doorbell", ratio(submit.totals, bare.totals))
    report.at_least(f"submit_jobs of {bulk_rows:,}, with commit and doorbells", rows[1], LEAST_ROWS, " rows/s")


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Median of the ratios of the rounds."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    run().exit()
