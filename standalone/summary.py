"""The last line of `./dev test`: what ran, how much of it passed and failed, and how long that took."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

OTHERS = {
    "error": "not set up or cleared up",
    "skipped": "skipped",
    "xfailed": "failed as expected",
    "xpassed": "passed though expected to fail",
}
"""pytest's other outcomes, in words."""


def line(files: Sequence[Path], seconds: float) -> str:
    """For example `Ran crash, unit (521 tests) in 1 min 5 s: 520 passed, 1 failed.`

    Each file holds the counts of one run of pytest (`pytest_plugin`). It is empty if the run did not get to its end.
    """
    texts = [file.read_text() for file in files]
    folders: set[str] = set()
    total: Counter[str] = Counter()
    for text in filter(None, texts):
        for folder, outcomes in json.loads(text).items():
            folders.add(folder)
            total.update(outcomes)
    end = "" if all(texts) else " Not all of them: pytest was ended."
    if not folders:
        return f"No test ran.{end}"
    said = [f"{total['passed']:,} passed", f"{total['failed']:,} failed"]
    said += [f"{total[name]:,} {words}" for name, words in OTHERS.items() if total[name]]
    count = f"{total.total():,} test{'' if total.total() == 1 else 's'}"
    return f"Ran {', '.join(sorted(folders))} ({count}) in {took(seconds)}: {', '.join(said)}.{end}"


def took(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
