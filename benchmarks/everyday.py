"""Ten everyday requests of an ordinary user that have nothing to do with jobs: with the app, and without it.

`./dev bench everyday --bench PATH --site WITH WITHOUT`: two sites of one bench, made alike. Each has a process of its
own; they answer in turn, so that whatever else the machine does strikes both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks import _report

ROUNDS, BLOCK = 150, 10
MOST_RATIO, MOST_MEGABYTES = 1.05, 8


class Process:
    """The web process of one site."""

    def __init__(self, site: str):
        command = [os.environ["DW_PYTHON"], "-m", "benchmarks._everyday", site]
        sites = os.environ["DW_SITES_PATH"]
        self._process = subprocess.Popen(command, cwd=sites, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.kinds: list[str] = self._answer()

    def ask(self, kind: str, rounds: int) -> dict[str, Any]:
        """Milliseconds of each round, statements of one, megabytes of the process."""
        assert self._process.stdin
        self._process.stdin.write(f"{kind} {rounds}\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        self._process.communicate("")

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        return json.loads(line) if line else sys.exit("A process has ended: see above.")


def measure(sites: tuple[Process, Process], kind: str) -> tuple[list[float], list[int], list[float]]:
    """Median milliseconds, statements and megabytes of both."""
    times: tuple[list[float], list[float]] = ([], [])
    last: list[dict[str, Any]] = [{}, {}]
    for site in sites:
        site.ask(kind, 10)  # what is loaded once
    for _block in range(ROUNDS // BLOCK):
        for number, site in enumerate(sites):
            last[number] = site.ask(kind, BLOCK)
            times[number].extend(last[number]["times"])
    medians = [statistics.median(some) for some in times]
    return medians, [one["statements"] for one in last], [one["memory"] for one in last]


def main() -> None:
    if os.environ.get("DW_MODE") != "bench" or len(sys.argv) != 2:
        sys.exit("./dev bench everyday --bench PATH --site WITH WITHOUT: the second site has not installed the app.")
    report = _report.Report("everyday: ten requests with and without the app")
    print(f"{_report.machine()}\n")
    sites = Process(os.environ["DW_SITE"]), Process(sys.argv[1])
    rows, ratios, memory = [], [], [0.0, 0.0]
    for kind in sites[0].kinds:
        (with_app, without), statements, memory = measure(sites, kind)
        ratios.append(with_app / without)
        rows.append([kind, with_app, without, with_app / without, *statements])
    for site in sites:
        site.end()
    report.table(["request", "ms with", "ms without", "ratio", "statements with", "without"], rows)
    report.target("median of the ratios", statistics.median(ratios), MOST_RATIO)
    report.target("statements more", sum(row[4] - row[5] for row in rows), 0)
    report.target("megabytes more of a web process", memory[0] - memory[1], MOST_MEGABYTES, " MB")
    report.exit()


if __name__ == "__main__":
    main()
