"""How long two workers take for a backlog of small jobs, beside bare `frappe.enqueue` of the same, in turn.

Timed from the commit that enqueues them all to the end of the last one. Who submits is an ordinary member.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import frappe
from frappe.utils.background_jobs import generate_qname

from benchmarks import _bare, _report, _site, _workers
from tests.support.processes import queue_client
from tests.support.waiting import until

ROUNDS, WORKERS, PATIENCE = 3, 2, 300
KINDS = {
    "no-op": ("nothing", 1_000),
    "read a document, insert a ToDo": ("document", 1_000),
    "50 ms": ("pause", 200),
}


def drain_bare(function: Callable[[], None], number: int) -> float:
    """Seconds for so many bare jobs."""
    before = _finished()
    for _ in range(number):
        _site.enqueue(function)
    return _timed(lambda: _finished() - before >= number)


def drain_ours(number: int) -> float:
    """Seconds for so many jobs of the engine."""
    before = _site.completed()
    for _ in range(number):
        _site.submit()
    return _timed(lambda: _site.completed() - before >= number)


def measure(handler: str, number: int, user: str) -> list[tuple[float, float]]:
    """Seconds of each round, bare and ours."""
    _site.factory.wipe()
    _site.job_type("benchmark", handler)
    frappe.set_user(user)
    with _workers.workers(WORKERS):
        return [(drain_bare(getattr(_bare, handler), number), drain_ours(number)) for _ in range(ROUNDS)]


def _timed(is_done: Callable[[], bool]) -> float:
    began = time.perf_counter()
    frappe.db.commit()
    until(is_done, PATIENCE, "the end of the jobs")
    return time.perf_counter() - began


def _finished() -> int:
    """Bare jobs done, by RQ's registry of finished jobs."""
    return queue_client().zcard(f"rq:finished:{generate_qname('default')}")


def main() -> None:
    report = _report.Report(f"drain: a backlog of small jobs, {WORKERS} workers, beside bare frappe.enqueue")
    rows = []
    with _site.site():
        print(_report.where())
        user = _site.member()
        try:
            for name, (handler, number) in KINDS.items():
                rounds = measure(handler, number, user)
                bare, ours = (
                    statistics.median(number / seconds for seconds in side) for side in zip(*rounds, strict=True)
                )
                ratios = sorted(bare_seconds / own for bare_seconds, own in rounds)
                rows.append([f"{number:,} × {name}", bare, ours, statistics.median(ratios), ratios[0], ratios[-1]])
        finally:
            frappe.db.rollback()
            frappe.db.sql("DELETE FROM `tabToDo` WHERE description LIKE %s", f"{_bare.DESCRIPTION}%")
            frappe.db.commit()
    report.table(["jobs a second", "enqueue", "submit_job", "ratio", "least", "most"], rows)
    report.exit()


if __name__ == "__main__":
    main()
