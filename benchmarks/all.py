"""All benchmarks, one after the other, and their figures in one table and one JSON file.

A benchmark that breaks counts as missed, and the others go on. A word says what can't be done here.
`--quick` takes small sizes, to see that everything works: its figures say nothing. `--only` takes some by name.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from types import ModuleType

from benchmarks import (
    _report,
    _site,
    claim,
    drain,
    due,
    fairness,
    latency,
    leaks,
    modules,
    rescue,
    sites,
    slice_cost,
    submit,
)
from standalone import cache

QUICK: dict[ModuleType, tuple[int, ...]] = {
    drain: (1, 20),
    latency: (10,),
    slice_cost: (300,),
    submit: (30, 1_000),
    claim: (10_000, 2),
    fairness: (10,),
    leaks: (2_000,),
    rescue: (4,),
    due: (2,),
    sites: (4, 5),
    modules: (),
}
"""All benchmarks in their order, with the arguments of small sizes."""
FULL = {rescue: (30,)}
"""Arguments other than a benchmark's own."""


def name_of(benchmark: ModuleType) -> str:
    return benchmark.__name__.rpartition(".")[2]


def run_one(benchmark: ModuleType, arguments: Sequence[int]) -> list[_report.Row]:
    """The rows of one benchmark; a missed one if it breaks."""
    began = time.monotonic()
    try:
        rows = benchmark.run(*arguments).rows
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        why = f"{type(error).__name__}: {error}"[:200]
        rows = [_report.Row(name_of(benchmark), "all of it", why=why, is_broken=True)]
    print(f"\n— {name_of(benchmark)}: {time.monotonic() - began:.0f} s\n", flush=True)
    return rows


def default_path() -> Path:
    """In a folder of the cache, outside of the repository."""
    folder = cache.root() / "benchmarks"
    folder.mkdir(exist_ok=True)
    return folder / f"{datetime.now():%Y%m%d-%H%M%S}-all.json"


def main(given: argparse.Namespace) -> int:
    _site.connect()
    facts = _report.facts() | {"is_quick": given.quick}  # before anything is measured
    rows: list[_report.Row] = []
    for benchmark, quick in QUICK.items():
        if not given.only or name_of(benchmark) in given.only:
            rows += run_one(benchmark, quick if given.quick else FULL.get(benchmark, ()))
    path = Path(os.environ.get("DW_CWD", "."), given.json) if given.json else default_path()
    values = facts | {"rows": [asdict(row) | {"verdict": row.verdict} for row in rows]}
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    report = _report.Report("all")
    found = [[f"{row.benchmark}: {row.text}", row.figure, row.target, row.verdict] for row in rows]
    report.table(["", "figure", "target", ""], found)
    missed = sum(row.verdict == "FAIL" for row in rows)
    print(f"{missed} of {len(rows)} missed\n{path}")
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./dev bench all")
    parser.add_argument("--json", help="the file for the figures; by default one in the cache")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[name_of(each) for each in QUICK])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    sys.exit(main(parser.parse_args()))
