"""`list_jobs` and Desk's list of jobs, with a million jobs of fifty organizations in the table."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import frappe
from frappe.desk import reportview

from benchmarks import _report, _site
from dartwing_core.jobs import get_job_status, get_metrics, list_jobs
from tests.support import crowd, factory

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
ROUNDS = 5
LIMIT = 300
JOB = "Background Job"
FIELDS = ["name", "job_type", "organization", "status", "priority", "progress", "owner_user", "creation"]

ONLY_SHOWN = ("get_metrics",)
"""Without a target: they read every job in question."""


def desk_list(**more: Any) -> Any:
    """Desk's request for a page of twenty, newest first."""
    return _desk(reportview.get, fields=FIELDS, order_by=f"`tab{JOB}`.`creation` desc", start=0, page_length=20, **more)


def desk_count(**more: Any) -> Any:
    """Desk's request for the number beside it: Frappe stops at 1001."""
    return _desk(reportview.get_count, fields=[], limit=1001, **more)


def _desk(function: Callable[[], Any], **arguments: Any) -> Any:
    frappe.local.form_dict = frappe._dict(
        {key: json.dumps(value) if isinstance(value, list) else value for key, value in arguments.items()}, doctype=JOB
    )
    return function()


def filtered(field: str, value: str) -> dict[str, Any]:
    return {"filters": [[JOB, field, "=", value]]}


ORGANIZATION = crowd.organization(7)
CALLS: dict[str, Callable[[], Any]] = {
    "list_jobs": lambda: list_jobs(),
    "list_jobs, an organization": lambda: list_jobs(organization=ORGANIZATION),
    "list_jobs, Failed": lambda: list_jobs(status="Failed"),
    "list_jobs, Completed, of a type": lambda: list_jobs(status="Completed", job_type="echo_job"),
    "list_jobs, oldest first": lambda: list_jobs(order_by="creation asc"),
    "list_jobs, by completed_at": lambda: list_jobs(organization=ORGANIZATION, order_by="completed_at desc"),
    "list_jobs, page 50": lambda: list_jobs(offset=1000),
    "list_jobs, of a day": lambda: list_jobs(from_date=frappe.utils.add_days(None, -1)),
    "Desk list": lambda: desk_list(),
    "Desk list, Failed": lambda: desk_list(**filtered("status", "Failed")),
    "Desk list, an organization": lambda: desk_list(**filtered("organization", ORGANIZATION)),
    "Desk count": lambda: desk_count(),
    "Desk count, Failed": lambda: desk_count(**filtered("status", "Failed")),
    "get_metrics": lambda: get_metrics(),
}


@contextmanager
def filled() -> Iterator[None]:
    if frappe.db.sql(f"SELECT COUNT(*) FROM `tab{JOB}`")[0][0]:
        sys.exit("This site has jobs of its own: measure on another one.")
    try:
        crowd.insert(ROWS)
        yield
    finally:
        frappe.db.sql_ddl(f"TRUNCATE TABLE `tab{JOB}`")


def people() -> dict[str, str]:
    member = factory.user("crowd_7_3", ORGANIZATION)
    many = factory.user("crowd_many", *(crowd.organization(number) for number in range(10)), org_role="Admin")
    admin = factory.user("crowd_admin", ORGANIZATION, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))
    return {
        "member": member,
        "admin of one": admin,
        "admin of ten": many,
        "System Manager": factory.user("crowd_max", roles=("System Manager",)),
    }


def milliseconds(call: Callable[[], Any]) -> float:
    times = []
    for _round in range(ROUNDS):
        began = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - began))
    return sorted(times)[ROUNDS // 2]


def main() -> None:
    report = _report.Report(f"Lists of {ROWS:,} jobs of {crowd.ORGANIZATIONS} organizations, median of {ROUNDS}, ms")
    with _site.site(), filled():
        users = people()
        frappe.db.commit()
        print(_report.where())
        times: dict[str, dict[str, float]] = {name: {} for name in CALLS}
        for title, user in users.items():
            frappe.set_user(user)
            for name, call in CALLS.items():
                times[name][title] = milliseconds(call)
            job = list_jobs(limit=1)["jobs"][0]["job_id"]
            times.setdefault("get_job_status", {})[title] = milliseconds(lambda job=job: get_job_status(job))
        frappe.set_user("Administrator")
        report.table(["", *users], [[name, *figures.values()] for name, figures in times.items()])
        for name, figures in times.items():
            if name not in ONLY_SHOWN:
                report.target(name, max(figures.values()), LIMIT, " ms")
    report.exit()


if __name__ == "__main__":
    main()
