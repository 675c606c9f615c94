"""Profiles of submit and of a slice of no-ops: the functions in which the time goes, and files to look at.

py-spy samples from outside, at 200 Hz, the time in which nothing is computed included: what waits for MariaDB shows in
the driver's read. Where it can't attach (ptrace), cProfile takes its place. That makes Python's own work look dearer,
and the slice is then one of this process. Files of py-spy are read by https://www.speedscope.app, others by `pstats`.
Not called `profile`: Python has a module of that name.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import frappe

from benchmarks import _output, _report, _sampling, _site, _window, _workers, claim
from dartwing_core.jobs import submit_job
from tests.support import factory

SECONDS, TOP = 15.0, 25
LINE, ORGANIZATIONS, COMPUTED_JOBS = 30_000, 20, 1_000
SLICE = "execute_job (dartwing_core/jobs/executor.py"
Functions = Sequence[tuple[str, float, float]]
"""Name, own share and share with what it calls, in percent."""


def submit_many(seconds: float) -> None:
    """One after the other, each with its commit."""
    ends, number = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        number += 1
        submit_job("test_benchmark", _site.ORGANIZATION, {"n": number})
        frappe.db.commit()


def prepare_submit() -> None:
    factory.wipe()
    _site.job_type("benchmark", "nothing")
    frappe.set_user(_site.member())
    submit_many(0.5)


def sample_submit(program: Sequence[str], seconds: float) -> _sampling.Profile:
    prepare_submit()
    sampler = _sampling.Sampler(program)
    submit_many(seconds)
    return sampler.end().below(f"{submit_many.__name__} (")


def sample_slice(program: Sequence[str], seconds: float) -> _sampling.Profile:
    """Work-horses of one worker."""
    factory.wipe()
    _site.line_up("nothing", LINE, ORGANIZATIONS)
    with _workers.workers(1) as (worker,):
        _window.begin(1)
        sampler = _sampling.Sampler(program, worker.pid)
        time.sleep(seconds)
        return sampler.end().below(SLICE)


def trace(call: Callable[[], object], path: Path) -> Functions:
    """A profile of the call by cProfile, in this process."""
    profiler = cProfile.Profile()
    profiler.runcall(call)
    profiler.dump_stats(path)
    entries = pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]
    total = sum(entry[2] for _place, entry in entries)
    return [
        (f"{name} ({Path(file).name}:{line})", 100 * entry[2] / total, 100 * entry[3] / total)
        for (file, line, name), entry in entries
    ]


def trace_submit(seconds: float, path: Path) -> Functions:
    prepare_submit()
    return trace(lambda: submit_many(seconds), path)


def trace_slice(path: Path) -> Functions:
    factory.wipe()
    _site.line_up("nothing", LINE, ORGANIZATIONS)
    return trace(lambda: claim.settled_along(COMPUTED_JOBS), path)


def show(report: _report.Report, title: str, functions: Functions) -> None:
    for text, column in (("self", 1), ("cumulative", 2)):
        top = sorted(functions, key=lambda function, by=column: function[by], reverse=True)[:TOP]
        rows = [[name, own, cumulative] for name, own, cumulative in top]
        report.table([f"{title}, by {text} time", "self %", "cumulative %"], rows)


def find_program() -> list[str] | None:
    """py-spy, if it can be had and may attach; else None."""
    try:
        program = _sampling.install()
    except subprocess.CalledProcessError:
        print("py-spy can't be installed here, so cProfile takes its place.\n", file=sys.stderr)
        return None
    if not _sampling.can_attach(program):
        print("py-spy may not attach to processes here (ptrace), so cProfile takes its place.\n", file=sys.stderr)
        return None
    return program


def run(seconds: float = SECONDS, output: str | None = None) -> _report.Report:
    """`output`: the folder for the files."""
    report = _report.Report("profiles: submit, and a slice of no-ops")
    folder = _output.path(output, "profiles")
    folder.mkdir(parents=True, exist_ok=True)
    program = find_program()
    with _site.site():
        print(_report.where())
        if program:
            sampled = {"submit": sample_submit(program, seconds), "slice": sample_slice(program, seconds)}
            for name, profile in sampled.items():
                profile.save(folder / f"{name}.raw")
            found = {name: profile.functions() for name, profile in sampled.items()}
        else:
            found = {
                "submit": trace_submit(seconds, folder / "submit.pstats"),
                "slice": trace_slice(folder / "slice.pstats"),
            }
    for name, functions in found.items():
        show(report, name, functions)
    print(f"Files: {folder}")
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev bench profiles")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each profile")
    parser.add_argument("--output", help="the folder for the files")
    run(**vars(parser.parse_args())).exit()
