"""How many jobs a second M machines with W workers each do, from what one job costs; held against measured points.

The model. A job takes w of its worker's processor, d of MariaDB's and r of Redis'. For z none of them works: the disk
syncs, the network carries. All four are measured with one worker. At each processor a job waits for those before it: as
many as the same system with one worker less has there. That is mean value analysis (Reiser and Lavenberg, 1980). No
rate exceeds cores / w, cores / d or 1 / r (Redis has one thread); the table names what is used most. The take is no
limit by itself. Under a cap takes follow one another: at most 1 / c a second for each cap.

Measured are no-ops of 20 organizations with 1, 2, 4 and 8 workers. Workers and servers share this machine's cores. The
model begins with the first point; the others show what it leaves out. That is caches and locks that workers share, and
more looks by more workers. For other machines it adds a round trip for each statement. On a busy machine z is too long.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import frappe

from benchmarks import _report, _site, _window, slice_cost
from benchmarks.claim import timed
from dartwing_core.jobs.line import claim
from tests.support import factory

POINTS, SECONDS = (1, 2, 4, 8), 8.0
LINE, ORGANIZATIONS = 60_000, 20
MACHINES, WORKERS, CORES, DATABASE_CORES, ROUND_TRIP_MS = (1, 2, 4, 8, 16, 32), 8, 4, 8, 0.2
TAKES = 200
Station = tuple[float, float]
"""Something that jobs wait for: seconds that a job needs of it, and how many jobs it serves at once."""


@dataclass(frozen=True)
class Costs:
    """Of one job, in seconds."""

    worker: float
    database: float
    redis: float
    idle: float
    """In which no processor works for it."""
    round_trips: float
    """To MariaDB and Redis, as a number."""
    capped_take: float

    @property
    def processors(self) -> float:
        return self.worker + self.database + self.redis


def rate(jobs_at_once: int, stations: Sequence[Station], idle: float) -> float:
    """Jobs a second that so many workers do.

    A station that serves s jobs at once is taken for one that is s times as fast, and a pause of the rest (Seidmann).
    """
    queues, found = [0.0] * len(stations), 0.0
    pause = idle + sum(need * (servers - 1) / servers for need, servers in stations)
    for number in range(1, jobs_at_once + 1):
        times = [need / servers * (1 + queue) for (need, servers), queue in zip(stations, queues, strict=True)]
        found = number / (pause + sum(times))
        queues = [found * time for time in times]
    return found


def rate_here(workers: int, costs: Costs, cores: int) -> float:
    """With all on one machine."""
    return rate(workers, [(costs.processors, min(cores, workers))], costs.idle)


def rate_there(machines: int, costs: Costs, given: argparse.Namespace) -> tuple[float, str]:
    """With MariaDB and Redis on machines of their own; and what is used most."""
    stations = {
        "workers' processors": (costs.worker, machines * given.cores),
        "MariaDB's processors": (costs.database, given.database_cores),
        "Redis": (costs.redis, 1),
    }
    idle = costs.idle + costs.round_trips * given.round_trip / 1000
    found = rate(machines * given.workers, list(stations.values()), idle)
    use = {name: found * need / servers for name, (need, servers) in stations.items()}
    most = max(use, key=use.__getitem__)
    return found, f"{most} ({use[most]:.0%})" if use[most] > 0.5 else "number of workers"


def measure(points: Sequence[int], seconds: float) -> dict[int, _window.Window]:
    factory.wipe()
    _site.line_up("nothing", LINE, ORGANIZATIONS)
    return {number: _window.observe(number, seconds) for number in points}


def costs_of(one: _window.Window, counts: slice_cost.Counts, capped_take: float) -> Costs:
    """From what one worker did."""
    if one.database_ms is None:
        raise SystemExit("MariaDB does not run on this machine: its share can't be told.")
    worker, database, redis = (ms / 1000 for ms in (one.worker_ms, one.database_ms, one.redis_ms))
    idle = max(0.0, 1 / one.rate - worker - database - redis)
    return Costs(
        worker, database, redis, idle, counts.statements + counts.all_commits + counts.round_trips, capped_take
    )


def measure_capped_take() -> float:
    """Seconds of a take under a cap, its named lock included."""
    factory.wipe()
    _site.line_up("nothing", 2 * TAKES, 1)
    frappe.db.set_value("Job Type", "test_benchmark", "max_concurrent", 10 * TAKES)
    frappe.db.commit()
    times = timed(claim.Claimer().claim_next, TAKES)
    return statistics.median(times) / 1000


def run(given: argparse.Namespace) -> _report.Report:
    report = _report.Report("scale_model: jobs a second by the number of machines and workers")
    cores = os.cpu_count() or 1
    with _site.site():
        print(_report.where())
        capped_take = measure_capped_take()
        counts = slice_cost.count(given.jobs)
        points = measure(POINTS, given.seconds)
    costs = costs_of(points[1], counts, capped_take)
    show_costs(report, costs)
    show_points(report, points, costs, cores)
    rows = []
    for machines in MACHINES:
        found, limit = rate_there(machines, costs, given)
        rows.append([f"{machines} × {given.workers} workers", found, limit])
    report.table(["machines, MariaDB and Redis apart", "jobs a second", "used most"], rows)
    print(
        f"Machines have {given.cores} cores, MariaDB {given.database_cores}, a round trip takes {given.round_trip} ms;"
        f" under one cap at most {1 / costs.capped_take:.0f} starts a second.\n"
    )
    return report


def show_costs(report: _report.Report, costs: Costs) -> None:
    names = {"w, worker": costs.worker, "d, MariaDB": costs.database, "r, Redis": costs.redis, "z, none": costs.idle}
    rows = [[name, 1000 * seconds] for name, seconds in {**names, "c, take under a cap": costs.capped_take}.items()]
    report.table(["one job", "ms"], rows)


def show_points(report: _report.Report, points: dict[int, _window.Window], costs: Costs, cores: int) -> None:
    rows = []
    for number, point in points.items():
        model = rate_here(number, costs, cores)
        used = [point.worker_ms, point.database_ms, point.redis_ms]
        rows.append([f"{number} workers", point.rate, model, f"{model / point.rate - 1:+.0%}", *used])
    report.table(["this machine", "measured", "model", "deviation", "w, ms", "d, ms", "r, ms"], rows)
    for number, point in points.items():
        report.figure(
            f"{number} workers: jobs a second, model ÷ measured", rate_here(number, costs, cores) / point.rate
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev bench scale_model")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each measured point")
    parser.add_argument("--jobs", type=int, default=slice_cost.JOBS, help="of which round trips are counted")
    parser.add_argument("--workers", type=int, default=WORKERS, help="of each machine")
    parser.add_argument("--cores", type=int, default=CORES, help="of each machine with workers")
    parser.add_argument("--database-cores", type=int, default=DATABASE_CORES)
    parser.add_argument("--round-trip", type=float, default=ROUND_TRIP_MS, help="between machines, in ms")
    run(parser.parse_args()).exit()
