"""No-ops beside procrastinate, which keeps jobs in PostgreSQL: two workers each, in turn, on the same machine.

Procrastinate is installed into a folder of this run. The argument names an empty database that it may use, as
`postgresql:///test`. Both sides wait for the disk if their servers do: `DW_DURABLE=1` for ours.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import _report, _site, _workers, drain
from tests.support.waiting import until

PACKAGES = ("procrastinate==3.10.0", "psycopg[binary]==3.2.13")
APP = "benchmarks._procrastinate_app"
NUMBER, WORKERS, ROUNDS = 1_000, 2, 3
ROOT = Path(__file__).resolve().parent.parent
LEFT = "SELECT COUNT(*) FROM procrastinate_jobs WHERE status <> 'succeeded'"
SECONDS = """
    SELECT EXTRACT(EPOCH FROM MAX(at) FILTER (WHERE type = 'succeeded') - MIN(at) FILTER (WHERE type = 'deferred'))
    FROM procrastinate_events
"""
TIDY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


class Rival:
    """Procrastinate with its own Python."""

    def __init__(self, address: str) -> None:
        folder = Path(os.environ["DW_RUN_DIR"]) / "procrastinate"
        self._python = str(folder / "bin" / "python")
        self._address = address
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([self._python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        self.ask(TIDY)
        self._run("-m", "procrastinate", f"--app={APP}.app", "schema", "--apply")

    def _popen(self, *arguments: str) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DW_POSTGRES": self._address}
        return subprocess.Popen(
            [self._python, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _run(self, *arguments: str) -> None:
        if self._popen(*arguments).wait():
            raise SystemExit(f"procrastinate could not do this: {' '.join(arguments)}")

    def ask(self, statement: str) -> str:
        """One answer of PostgreSQL's own client."""
        command = ["psql", self._address, "-qAtc", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    @contextmanager
    def workers(self, number: int) -> Iterator[None]:
        """So many processes that each do one job at a time."""
        command = ("-m", "procrastinate", f"--app={APP}.app", "worker", "--concurrency=1")
        started = [self._popen(*command) for _ in range(number)]
        try:
            self.drain(10)  # they listen now
            yield
        finally:
            for process in started:
                process.terminate()
                process.wait()

    def drain(self, number: int) -> float:
        """Seconds from the transaction of so many jobs to the end of the last."""
        self.ask("TRUNCATE procrastinate_jobs CASCADE")
        self._run("-m", APP, str(number))
        until(lambda: self.ask(LEFT) == "0", 120, "the end of procrastinate's jobs")
        return float(self.ask(SECONDS))


def run(address: str, rounds: int = ROUNDS) -> _report.Report:
    """`address`: an empty database of PostgreSQL."""
    report = _report.Report(f"procrastinate: {NUMBER:,} no-ops, {WORKERS} workers each")
    rival = Rival(address)
    theirs, ours = [], []
    with _site.site():
        print(_report.where())
        _site.job_type("benchmark", "nothing")
        for _ in range(rounds):
            with _workers.workers(WORKERS):
                ours.append(NUMBER / drain.drain_ours(NUMBER))
            with rival.workers(WORKERS):
                theirs.append(NUMBER / rival.drain(NUMBER))
    rival.ask(TIDY)
    ratios = sorted(own / other for own, other in zip(ours, theirs, strict=True))
    rows: list[list[object]] = [
        ["procrastinate", statistics.median(theirs), min(theirs), max(theirs)],
        ["submit_job", statistics.median(ours), min(ours), max(ours)],
        ["ratio", statistics.median(ratios), ratios[0], ratios[-1]],
    ]
    report.table(["jobs a second", "median", "least", "most"], rows)
    report.at_least("jobs a second, submit_job ÷ procrastinate", statistics.median(ratios), 1)
    return report


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Name an empty database of PostgreSQL: ./dev bench procrastinate postgresql:///test")
    run(sys.argv[1]).exit()
