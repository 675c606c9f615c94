"""Memory of a worker and its work-horses: bare `frappe.enqueue`, the engine's no-op, exports of 50,000 rows.

Each in a worker of its own. A work-horse's figures are the kernel's, read by itself just before it ends (`_probe`), so
the peak covers everything from the fork to the last statement; the worker's are read after its jobs.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import frappe

from benchmarks import _report, _site, _workers
from dartwing_core.jobs import JobStatus, get_job_status, submit_job
from dartwing_core.jobs.job import job_files
from tests.support.waiting import until

JOBS = 100
RECORD, ROWS = "Benchmark Record", 50_000
FIELDS = [
    {"fieldname": "customer", "fieldtype": "Data"},
    {"fieldname": "e_mail", "fieldtype": "Data"},
    {"fieldname": "posted_on", "fieldtype": "Date"},
    {"fieldname": "closed_at", "fieldtype": "Datetime"},
    {"fieldname": "quantity", "fieldtype": "Int"},
    {"fieldname": "rate", "fieldtype": "Float"},
    {"fieldname": "amount", "fieldtype": "Currency"},
    {"fieldname": "is_paid", "fieldtype": "Check"},
    {"fieldname": "remarks", "fieldtype": "Small Text"},
    {"fieldname": "notes", "fieldtype": "Text"},
]
FILL = f"""
    INSERT INTO `tab{RECORD}`
        (name, creation, modified, owner, modified_by, docstatus, idx, customer, e_mail, posted_on, closed_at, quantity,
         rate, amount, is_paid, remarks, notes)
    SELECT LPAD(seq, 10, '0'), NOW(), NOW(), 'Administrator', 'Administrator', 0, 0, CONCAT('Customer ', seq),
        CONCAT('customer', seq, '@example.com'), '2025-06-01', NOW(), seq % 100, seq / 7, seq * 1.19, seq % 2,
        REPEAT('remark ', 5), REPEAT('A line of text. ', 10)
    FROM seq_1_to_{ROWS}
"""


def many(call: Callable[[], None]) -> tuple[_workers.Memory, list[_workers.Memory]]:
    """The worker after JOBS jobs, and their work-horses."""
    with _workers.probed_workers(1) as (worker,):
        for _ in range(JOBS):
            call()
        frappe.db.commit()
        until(lambda: len(worker.horses()) >= JOBS, 120, "the end of the jobs")
        return worker.memory(), worker.horses()


def export(file_format: str) -> _workers.Memory:
    """The work-horse that exports all records."""
    parameters = {"doctype": RECORD, "file_format": file_format}
    with _workers.probed_workers(1) as (worker,):
        job = submit_job("export_records", _site.ORGANIZATION, parameters).name
        frappe.db.commit()
        until(worker.horses, 300, "the end of the export")
        frappe.db.rollback()
        found = get_job_status(job)
        if found["status"] != JobStatus.COMPLETED or found["result"]["rows"] != ROWS:
            raise SystemExit(f"The export went wrong: {found}")
        job_files.delete_now([job])
        return worker.horses()[0]


def typical(horses: list[_workers.Memory]) -> _workers.Memory:
    """Medians; the first ones, which fill the site's caches, are left out."""
    return _workers.Memory(
        **{name: statistics.median(getattr(horse, name) for horse in horses[5:]) for name in vars(horses[0])}
    )


def main() -> None:
    report = _report.Report("memory: workers and work-horses beside bare frappe.enqueue")
    with _site.site():
        print(_report.where())
        _site.job_type("benchmark", "nothing")
        user = _site.member()
        frappe.set_user(user)
        bare_worker, bare_horses = many(_site.enqueue)
        worker, horses = many(_site.submit)
        frappe.set_user("Administrator")
        with _site.scratch_doctype(RECORD, FIELDS):
            frappe.db.sql(FILL)
            frappe.db.commit()
            frappe.set_user(user)
            exports = {file_format: export(file_format) for file_format in ("csv", "xlsx")}
    bare, ours = typical(bare_horses), typical(horses)
    rows = {
        "work-horse, frappe.enqueue no-op": bare,
        "work-horse, submit_job no-op": ours,
        f"worker after {JOBS} frappe.enqueue": bare_worker,
        f"worker after {JOBS} submit_job": worker,
        **{f"work-horse, export of {ROWS:,} rows, {name}": memory for name, memory in exports.items()},
    }
    head = ["MB", "peak RSS", "RSS", "PSS", "private"]
    report.table(head, [[name, m.peak, m.resident, m.proportional, m.private] for name, m in rows.items()])
    report.target("work-horse's peak above bare", ours.peak - bare.peak, 20, " MB")
    report.target("worker after its jobs above bare", worker.resident - bare_worker.resident, 20, " MB")
    for name, memory in exports.items():
        report.target(f"export, {name}: peak above the bare no-op's", memory.peak - bare.peak, 50, " MB")
    report.exit()


if __name__ == "__main__":
    main()
