"""How long two workers take for a backlog of small jobs, beside bare `frappe.enqueue` of the same, in turn.

Timed from the commit that enqueues them all to the end of the last one. The submitter is an ordinary member. Arguments
are another number of rounds than 3, and by how much fewer jobs there are.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import frappe
from frappe.utils.background_jobs import generate_qname

from benchmarks import _bare, _report, _site, _workers
from tests.support.processes import queue_client
from tests.support.waiting import until

ROUNDS, WORKERS, PATIENCE = 3, 2, 300
Rates = list[float]
"""Jobs a second of each round."""


@dataclass(frozen=True)
class Kind:
    """So many equal jobs, by one kind of worker."""

    text: str
    handler: str
    number: int
    least: float
    """Target of the ratio."""
    workers: Callable[[int], AbstractContextManager[Any]] = _workers.workers


NO_OPS = Kind("no-op", "nothing", 1_000, 8)
UNPREPARED = Kind("no-op, bare as on a bench without the app", "nothing", 1_000, 12, _workers.unprepared_workers)
NO_FORK = Kind("no-op, workers that don't fork", "nothing", 1_000, 1.5, _workers.no_fork_workers)
KINDS = (
    NO_OPS,
    Kind("read a document, insert a ToDo", "document", 1_000, 5),
    Kind("50 ms", "pause", 200, 1.3),
    NO_FORK,
)


def drain_bare(handler: str, number: int) -> float:
    """So many bare jobs: jobs a second."""
    before = _finished()
    for _ in range(number):
        frappe.enqueue(getattr(_bare, handler), queue="default", enqueue_after_commit=True)
    return number / _timed(lambda: _finished() - before >= number)


def drain_ours(number: int) -> float:
    """So many jobs of the engine: jobs a second."""
    before = _site.completed()
    for _ in range(number):
        _site.submit()
    return number / _timed(lambda: _site.completed() - before >= number)


def measure(kind: Kind, rounds: int, divisor: int) -> tuple[Rates, Rates]:
    """Bare and ours in turn, by the same workers; so many times fewer jobs. Unprepared workers do bare jobs alone."""
    number = kind.number // divisor
    _site.factory.wipe()
    _site.job_type("benchmark", kind.handler)
    frappe.set_user(_site.member())
    bare, ours = [], []
    with kind.workers(WORKERS):
        for _ in range(rounds):
            bare.append(drain_bare(kind.handler, number))
            if kind is not UNPREPARED:
                ours.append(drain_ours(number))
    return bare, ours


def _timed(is_done: Callable[[], bool]) -> float:
    began = time.perf_counter()
    frappe.db.commit()
    until(is_done, PATIENCE, "the end of the jobs")
    return time.perf_counter() - began


def _finished() -> int:
    """Bare jobs done, by RQ's registry of finished jobs."""
    return queue_client().zcard(f"rq:finished:{generate_qname('default')}")


def run(rounds: int = ROUNDS, divisor: int = 1) -> _report.Report:
    """`divisor`: so many times fewer jobs than usual."""
    report = _report.Report(f"drain: a backlog of small jobs, {WORKERS} workers, beside bare frappe.enqueue")
    with _site.site():
        kinds = [kind for kind in KINDS if kind is not NO_FORK or _workers.has_no_fork_workers()]
        try:
            found = {kind: measure(kind, rounds, divisor) for kind in kinds}
            found[UNPREPARED] = measure(UNPREPARED, rounds, divisor)[0], found[NO_OPS][1]
        finally:
            frappe.db.rollback()
            frappe.db.sql("DELETE FROM `tabToDo` WHERE description LIKE %s", f"{_bare.DESCRIPTION}%")
            frappe.db.commit()
    ratios = {kind: [b / a for a, b in zip(bare, ours, strict=True)] for kind, (bare, ours) in found.items()}
    rows = []
    for kind, sides in found.items():
        each = ratios[kind]
        middles = map(statistics.median, (*sides, each))
        rows.append([f"{kind.number // divisor:,} × {kind.text}", *middles, min(each), max(each)])
    report.table(["jobs a second", "enqueue", "submit_job", "ratio", "least", "most"], rows)
    for kind, each in ratios.items():
        text = f"{kind.text}: submit_job ÷ frappe.enqueue"
        report.add(text, statistics.median(each), kind.least, is_least=True)
    if NO_FORK not in found:
        report.add(NO_FORK.text, None, why=f"Frappe {frappe.__version__} has none")
    return report


if __name__ == "__main__":
    _report.main(run)
