"""All that has targets, one after the other, and their figures in one table and one JSON file.

A benchmark that breaks counts as missed, and the others go on. A word says what can't be done here.
`--quick` takes small sizes, to see that everything works: its figures say nothing. `--only` takes some by name.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import (
    _facts,
    _output,
    _report,
    _site,
    claim,
    drain,
    fairness,
    latency,
    leaks,
    rescue,
    slice_cost,
    submit,
)


@dataclass(frozen=True)
class Step:
    """One benchmark. `full` and `quick`: what it is called with, where that differs from its own defaults."""

    run: Callable[..., _report.Report]
    full: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.run.__module__.rpartition(".")[2]


STEPS = (
    Step(drain.run, quick={"rounds": 1, "divisor": 20}),
    Step(latency.run, quick={"rounds": 10}),
    Step(slice_cost.run, quick={"jobs": 300}),
    Step(submit.run, quick={"rounds": 30, "bulk_rows": 1_000}),
    Step(claim.run, quick={"jobs": 10_000, "seconds": 2}),
    Step(fairness.run, quick={"divisor": 10}),
    Step(leaks.run, quick={"jobs": 2_000}),
    Step(rescue.run, full={"kills": 30}, quick={"kills": 4}),
)


def run_step(step: Step, arguments: dict[str, Any]) -> list[_report.Row]:
    """The rows of one benchmark; a missed one if it breaks."""
    try:
        return step.run(**arguments).rows
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return [_report.Row(step.name, "all of it", why=f"{type(error).__name__}: {error}"[:200], is_broken=True)]


def run_all(steps: Sequence[Step], *, is_quick: bool) -> list[_report.Row]:
    rows: list[_report.Row] = []
    for step in steps:
        arguments = step.quick if is_quick else step.full
        began = time.monotonic()
        rows += run_step(step, arguments)
        print(f"\n— {step.name}: {time.monotonic() - began:.0f} s\n", flush=True)
    return rows


def save(path: Path, facts: dict[str, Any], rows: Sequence[_report.Row]) -> None:
    values = {**facts, "rows": [row.as_dict() for row in rows]}
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")


def find_facts() -> dict[str, Any]:
    """Machine, versions and commit, before anything is measured."""
    return {"machine": _facts.machine(), "versions": _facts.versions(), "engine": _facts.engine()}


def show(rows: Sequence[_report.Row]) -> int:
    """Print the table; returns 1 if a target was missed, else 0."""
    _site.connect()
    report = _report.Report("all")
    print(_report.where())
    found = [[f"{row.benchmark}: {row.text}", row.figure, row.target, row.verdict] for row in rows]
    report.table(["", "figure", "target", ""], found)
    missed = [row for row in rows if row.verdict == "FAIL"]
    print(f"{len(missed)} of {len(rows)} missed")
    return 1 if missed else 0


def main(given: argparse.Namespace) -> int:
    steps = [step for step in STEPS if not given.only or step.name in given.only]
    _site.connect()
    facts = find_facts() | {"is_quick": given.quick}
    rows = run_all(steps, is_quick=given.quick)
    path = _output.path(given.json, "all.json")
    facts["machine"]["load_at_the_end"] = _facts.machine()["load"]
    save(path, facts, rows)
    status = show(rows)
    print(path)
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev bench all")
    parser.add_argument("--json", help="the file for the figures; by default one in the cache")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[step.name for step in STEPS])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    sys.exit(main(parser.parse_args()))
