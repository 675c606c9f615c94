"""How long two workers take for a backlog of small jobs, beside bare `frappe.enqueue` of the same, in turn.

Timed from the commit that enqueues them all to the end of the last one. The submitter is an ordinary member.
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
LEAST_UNPREPARED = 12


@dataclass(frozen=True)
class Kind:
    """So many equal jobs, by one kind of worker."""

    text: str
    handler: str
    number: int
    least: float
    """Target of the ratio."""
    workers: Callable[[int], AbstractContextManager[Any]] = _workers.workers


@dataclass(frozen=True)
class Rounds:
    """Jobs a second of each round, bare and ours."""

    bare: list[float]
    ours: list[float]

    @property
    def ratios(self) -> list[float]:
        return sorted(own / bare for bare, own in zip(self.bare, self.ours, strict=True))

    def row(self, text: str) -> list[object]:
        ratios = self.ratios
        middle = statistics.median
        return [text, middle(self.bare), middle(self.ours), middle(ratios), ratios[0], ratios[-1]]


NO_OPS = Kind("no-op", "nothing", 1_000, 8)
NO_FORK = Kind("no-op, workers that don't fork", "nothing", 1_000, 1.5, _workers.no_fork_workers)
KINDS = (
    NO_OPS,
    Kind("read a document, insert a ToDo", "document", 1_000, 5),
    Kind("50 ms", "pause", 200, 1.3),
)


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


def measure(kind: Kind, rounds: int, divisor: int = 1) -> Rounds:
    """Bare and ours in turn, by the same workers; so many times fewer jobs."""
    number = kind.number // divisor
    _prepare(kind.handler)
    with kind.workers(WORKERS):
        pairs = [(drain_bare(getattr(_bare, kind.handler), number), drain_ours(number)) for _ in range(rounds)]
    return Rounds([number / bare for bare, _ours in pairs], [number / ours for _bare, ours in pairs])


def measure_unprepared(kind: Kind, rounds: int, divisor: int = 1) -> list[float]:
    """Bare jobs a second of each round, by workers as on a bench without the app."""
    number = kind.number // divisor
    _prepare(kind.handler)
    with _workers.unprepared_workers(WORKERS):
        return [number / drain_bare(getattr(_bare, kind.handler), number) for _ in range(rounds)]


def _prepare(handler: str) -> None:
    _site.factory.wipe()
    _site.job_type("benchmark", handler)
    frappe.set_user(_site.member())


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
    kinds = (*KINDS, NO_FORK) if _workers.has_no_fork_workers() else KINDS
    with _site.site():
        print(_report.where())
        try:
            found = {kind: measure(kind, rounds, divisor) for kind in kinds}
            unprepared = Rounds(measure_unprepared(NO_OPS, rounds, divisor), found[NO_OPS].ours)
        finally:
            frappe.db.rollback()
            frappe.db.sql("DELETE FROM `tabToDo` WHERE description LIKE %s", f"{_bare.DESCRIPTION}%")
            frappe.db.commit()
    rows = [of.row(f"{kind.number // divisor:,} × {kind.text}") for kind, of in found.items()]
    rows.append(unprepared.row("no-op, bare as on a bench without the app"))
    report.table(["jobs a second", "enqueue", "submit_job", "ratio", "least", "most"], rows)
    for kind, of in found.items():
        report.at_least(f"{kind.text}: submit_job ÷ frappe.enqueue", statistics.median(of.ratios), kind.least)
    without = "no-op: submit_job ÷ frappe.enqueue as on a bench without the app"
    report.at_least(without, statistics.median(unprepared.ratios), LEAST_UNPREPARED)
    if NO_FORK not in found:
        report.skip(NO_FORK.text, f"Frappe {frappe.__version__} has none")
    return report


if __name__ == "__main__":
    run().exit()
