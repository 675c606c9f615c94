"""SECURITY.md and docs/reliability.md name code and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP, TESTS = ROOT / "dartwing_core", ROOT / "tests"
TABLES = {"SECURITY.md": "## How it is kept", "docs/reliability.md": "# Reliability"}
"""Headings of the tables with a promise, its code and its tests in each row."""


@pytest.mark.parametrize("document", TABLES)
def test_what_is_named_exists(document):
    # Seen failing: with another name of a module and of a test.
    text = (ROOT / document).read_text().split(f"{TABLES[document]}\n", 1)[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) > 5
    for promise, code, tests in rows:
        for path in re.findall(r"`([^`]+)`", code):
            assert (APP / path).exists() or (APP / "dartwing_core" / path).exists(), (promise, path)
        for path in re.findall(r"`([^`]+)`", tests):
            assert any(TESTS.rglob(path.rstrip("/"))), (promise, path)
