"""The daily clean-up of a site with 200,000 finished jobs and 100,000 live ones, in this process.

All jobs are made a year older first. Each that was run has a run row, and each has two lines of history. The 200,000
that were completed, canceled or are dead may go; the rest has to be walked past.
"""

from __future__ import annotations

import time

import frappe

from benchmarks import _report, _site
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.status import FINISHED
from dartwing_core.jobs.sweep import retention
from tests.support import population

TARGET = 2  # seconds: 5,000 rows a second
_AGED = ("creation", "modified", "created_at")


def age() -> None:
    """Let everything have happened a year earlier; live jobs stay live."""
    moved = ", ".join(f"{column} = {column} - INTERVAL 1 YEAR" for column in _AGED)
    frappe.db.sql(f"UPDATE `tab{config.JOB}` SET {moved} WHERE organization LIKE 'Test %%'")
    for _line in range(2):
        population.insert_log()
    frappe.db.commit()


def rows() -> int:
    """Jobs, attempts and lines of history."""
    return sum(frappe.db.count(doctype) for doctype in (config.JOB, config.RUN, config.LOG))


def count(statuses: tuple[str, ...]) -> int:
    return frappe.db.count(config.JOB, {"status": ("in", statuses)})


def main() -> None:
    report = _report.Report("retention: the clean-up of 200,000 finished jobs among 100,000 live ones")
    finished = tuple(str(status) for status in FINISHED)
    with _site.site():
        print(_report.where())
        population.fill(_site.job_type("benchmark", "nothing"))
        age()
        before, rows_before = count(finished), rows()
        began = time.perf_counter()
        deleted = retention.clear_old_jobs(30)
        seconds = time.perf_counter() - began
        left, rows_deleted = count(finished), rows_before - rows()
        began = time.perf_counter()
        retention.clear_old_jobs(30)
        again = time.perf_counter() - began
    if (deleted, left) != (before, 0):
        raise SystemExit(f"{deleted} of {before} were deleted, {left} are left")
    counts = [["jobs", deleted, deleted / seconds], ["rows", rows_deleted, rows_deleted / seconds]]
    report.table(["", "number", "in a second"], counts)
    print(f"A second run, which finds nothing and walks past the live ones: {again:.2f} s\n")
    report.target("10,000 rows deleted in", 10_000 * seconds / rows_deleted, TARGET, " s")
    report.exit()


if __name__ == "__main__":
    main()
