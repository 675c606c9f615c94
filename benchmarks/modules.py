"""How many modules of the app one lone job passes: submit, commit, claim, run, settle, follow-up.

A module counts if a function of it is called, by the process that submits or by the worker's from our entry point on.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

from benchmarks import _lone, _report, _site

MOST, WARM_UP, JOBS = 45, 3, 5


def run() -> _report.Report:
    report = _report.Report("modules: of the app, that one lone job passes")
    notes = Path(os.environ["DW_RUN_DIR"]) / "functions"
    os.environ[_lone.NOTES] = str(notes)
    with _site.site(), _lone.jobs(_lone.execute_traced) as run_one:
        for _ in range(WARM_UP):
            run_one()
        found = [(run_one(_lone.traced()), set(map(tuple, json.loads(notes.read_text())))) for _ in range(JOBS)]
    # Of some jobs, since a process may sweep in passing.
    submitter, worker = min(found, key=lambda sides: len(sides[0] | sides[1]))
    sides = [Counter(file for file, _line in called) for called in (submitter | worker, submitter, worker)]
    rows = [[file, *(side[file] for side in sides)] for file in sorted(sides[0])]
    report.table(["functions called", "of a job", "submitter", "worker"], rows)
    report.add("modules that one job passes", len(rows), MOST)
    for side, text in zip(sides[1:], ("submitter", "worker"), strict=True):
        report.add(f"… in the {text}", len(side))
    return report


if __name__ == "__main__":
    _report.main(run)
