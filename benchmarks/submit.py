"""`submit_job` beside two bare `doc.insert()` of the same row, in one run and in turn; and `submit_jobs` in bulk.

Background Job itself refuses `insert()`, so the bare rows go to a DocType made for this run: the same fields with the
same types, links and indexes, named by hash, without a controller. Two of them, since a submit writes two rows: the job
and the first line of its history. Arguments are another number of rounds than 300, and of rows in bulk than 10,000.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import frappe

from benchmarks import _report, _site, _wire
from dartwing_core.jobs import submit_job, submit_jobs
from dartwing_core.jobs.lib import config

WARM_UP, ROUNDS = 10, 300
COUNTED = 20
LEAST_ROWS = 10_000
BULK_ROUNDS, BULK_ROWS = 3, 10_000
COUNTED_ROWS = 1_000
PARAMETERS = {"customer": "CUST-0001", "from": "2025-01-01", "to": "2025-12-31", "lines": list(range(20))}
BARE, PLAIN, DEDUPLICATED = "2 × doc.insert()", "submit_job", "submit_job, deduplicated"
ROW = "Benchmark Row"
Ways = dict[str, Callable[[int], Any]]
"""Ways of writing, by name; each is called with the number of the round."""
Times = dict[str, list[tuple[float, float]]]
"""By way, of each round: milliseconds of the call, and of the call with the commit."""


@contextmanager
def bare_doctype() -> Iterator[None]:
    """A DocType with the fields and indexes of jobs, open to ordinary members; gone afterwards."""
    kept = ("fieldname", "label", "fieldtype", "options", "reqd", "unique", "search_index", "length", "precision")
    fields = [{key: df.get(key) for key in kept} for df in frappe.get_meta(config.JOB).fields]
    values = {"module": "Custom", "custom": 1, "autoname": "hash", "fields": fields}
    permission = {"role": "Dartwing User", "read": 1, "write": 1, "create": 1}
    document = {"doctype": "DocType", "name": ROW, **values, "permissions": [permission]}
    indexes: dict[str, list[str]] = {}
    for row in frappe.db.sql(f"SHOW INDEX FROM `tab{config.JOB}`", as_dict=True):
        indexes.setdefault(row.Key_name, []).append(row.Column_name)
    _drop()
    frappe.get_doc(document).insert(ignore_permissions=True)
    for columns in indexes.values():
        if len(columns) > 1:
            frappe.db.add_index(ROW, columns, "_".join(columns)[:58] + "_index")
    frappe.db.commit()
    try:
        yield
    finally:
        frappe.db.rollback()
        frappe.set_user("Administrator")
        _site.clear_queue()
        _drop()


def _drop() -> None:
    if frappe.db.exists("DocType", ROW):
        frappe.delete_doc("DocType", ROW, force=True, ignore_permissions=True)
    frappe.db.sql_ddl(f"DROP TABLE IF EXISTS `tab{ROW}`")
    frappe.db.commit()


def ways(plain: str, deduplicated: str) -> Ways:
    values = row_of_a_job(plain)

    def insert_twice(_number: int) -> None:
        for _ in range(2):
            frappe.get_doc({"doctype": ROW, **values}).insert()

    def submit(job_type: str) -> Callable[[int], Any]:
        return lambda number: submit_job(job_type, _site.ORGANIZATION, PARAMETERS | {"number": number})

    return {BARE: insert_twice, PLAIN: submit(plain), DEDUPLICATED: submit(deduplicated)}


def row_of_a_job(job_type: str) -> dict[str, Any]:
    """The columns that `submit_job` writes, without the columns that `doc.insert()` fills by itself."""
    name = submit_job(job_type, _site.ORGANIZATION, PARAMETERS | {"number": 0}).name
    row = frappe.db.sql(f"SELECT * FROM `tab{config.JOB}` WHERE name = %s", (name,), as_dict=True)[0]
    frappe.db.rollback()
    own = {df.fieldname for df in frappe.get_meta(config.JOB).fields}
    return {column: value for column, value in row.items() if column in own and value is not None}


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds of the call, and of the call with the commit."""
    began = time.perf_counter()
    call()
    called = time.perf_counter()
    frappe.db.commit()
    return 1000 * (called - began), 1000 * (time.perf_counter() - began)


def measure(calls: Ways, rounds: int) -> Times:
    """All of them once a round, each round in another order."""
    order, times = random.Random(1), {name: [] for name in calls}
    for number in range(WARM_UP + rounds):
        if number == WARM_UP:
            gc.collect()
        for name in order.sample(list(calls), len(calls)):
            times[name].append(timed(partial(calls[name], number)))
    return {name: each[WARM_UP:] for name, each in times.items()}


def count(calls: Ways, user: str, job_type: str) -> dict[str, tuple[int, int]]:
    """Statements of the call, and of the commit with what follows it; the most that any of some calls needed."""
    with _wire.counted(here=True) as wire:
        frappe.set_user(user)

        def statements(call: Callable[[], Any]) -> tuple[int, int]:
            wire.take()
            call()
            called = len(wire.take().work)
            frappe.db.commit()
            return called, len(wire.take().work)

        found = {}
        for name, call in calls.items():
            asked = [statements(lambda call=call, n=n: call(10_000 + n)) for n in range(COUNTED + 2)][2:]
            found[name] = tuple(map(max, zip(*asked, strict=True)))
        found["submit_jobs"] = statements(lambda: submit_jobs(requests(job_type, -1, COUNTED_ROWS)))
    frappe.set_user(user)
    return found


def requests(job_type: str, number: int, rows: int) -> list[dict[str, Any]]:
    """So many that are all different."""
    common = {"job_type": job_type, "organization": _site.ORGANIZATION}
    return [common | {"parameters": {"round": number, "row": row}} for row in range(rows)]


def bulk(job_type: str, rows: int) -> list[float]:
    """Rows a second of `submit_jobs`, alone, and with commit and dispatch."""
    wanted = [requests(job_type, number, rows) for number in range(BULK_ROUNDS)]
    times = [timed(lambda many=many: submit_jobs(many)) for many in wanted]
    return [1000 * rows / statistics.median(each) for each in zip(*times, strict=True)]


def run(rounds: int = ROUNDS, bulk_rows: int = BULK_ROWS) -> _report.Report:
    report = _report.Report("submit: submit_job beside two bare doc.insert() of the same row")
    with _site.site():
        user = _site.member()
        plain = _site.job_type("benchmark", "nothing")
        deduplicated = _site.job_type("benchmark_dedup", "nothing", deduplication_window=300)
        with bare_doctype():
            frappe.set_user(user)
            calls = ways(plain, deduplicated)
            times = measure(calls, rounds)
            statements = count(calls, user, plain)
            rates = bulk(plain, bulk_rows)
    show(report, times, statements)
    head = ["rows/s", "call", "call + commit", "statements", "after commit"]
    report.table(head, [[f"submit_jobs, {bulk_rows:,} jobs", *rates, *statements["submit_jobs"]]])
    report.add(f"{PLAIN}: SQL statements, with those of the commit", sum(statements[PLAIN]), 3)
    # One more than its own: the SET NAMES of the connection that reads what is committed.
    report.add(f"{DEDUPLICATED}: SQL statements", statements[DEDUPLICATED][0], 6)
    for name, most in ((PLAIN, 0.5), (DEDUPLICATED, 1)):
        report.add(f"{name}: time ÷ that of {BARE}", ratio(times, name, 0), most)
    report.add(f"{PLAIN}: the same with commit and doorbell", ratio(times, PLAIN, 1))
    text = f"submit_jobs of {bulk_rows:,}, with commit and doorbells"
    report.add(text, rates[1], LEAST_ROWS, " rows/s", is_least=True)
    return report


def show(report: _report.Report, times: Times, statements: dict[str, tuple[int, int]]) -> None:
    rows = []
    for name, pairs in times.items():
        calls, totals = zip(*pairs, strict=True)
        middles = statistics.median(calls), _report.percentile(calls, 95), statistics.median(totals)
        rows.append([name, *middles, *statements[name]])
    report.table(["ms, median", "call", "call p95", "call + commit", "statements", "after commit"], rows)


def ratio(times: Times, name: str, which: int) -> float:
    """Median of the rounds' ratios to the bare way; `which`: 0 of calls, 1 with the commit."""
    pairs = zip(times[name], times[BARE], strict=True)
    return statistics.median(ours[which] / bare[which] for ours, bare in pairs)


if __name__ == "__main__":
    _report.main(run)
