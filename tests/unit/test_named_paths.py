"""SECURITY.md and docs/reliability.md name modules and tests that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP, TESTS = ROOT / "dartwing_core", ROOT / "tests"
OF_MODULES = (APP, APP / "dartwing_core", APP / "jobs")
"""Folders that the columns of modules begin at."""
TABLES = {"SECURITY.md": "## How it is kept", "docs/reliability.md": "# Reliability"}
"""Headings of the tables with a promise, its modules and its tests in each row."""


def rows(document: str) -> Iterator[tuple[str, str]]:
    """The columns of modules and of tests in each row."""
    text = (ROOT / document).read_text().split(f"{TABLES[document]}\n", 1)[1].split("\n## ")[0]
    for line in text.splitlines():
        if line.startswith("| ") and "`" in line:
            yield tuple(line.strip("| ").split(" | ")[1:])


def named(column: str) -> list[str]:
    return re.findall(r"`([^`]+)`", column)


def are_there(folder: Path, path: str) -> bool:
    """Whether files match a path, which may lack its ".py"."""
    return any(any(folder.glob(name)) for name in (path.rstrip("/"), f"{path}.py"))


@pytest.mark.parametrize("document", TABLES)
def test_every_module_that_is_named_exists(document):
    # Seen failing: with another name of a module in a row of each document.
    paths = [path for modules, _tests in rows(document) for path in named(modules)]
    assert len(paths) >= len(list(rows(document))) > 5
    assert [path for path in paths if not any(are_there(folder, path) for folder in OF_MODULES)] == []


@pytest.mark.parametrize("document", TABLES)
def test_every_test_that_is_named_exists(document):
    # Seen failing: with another name of a test in a row of each document. A file without a folder is in that of the
    # one before it.
    missing = []
    for _modules, tests in rows(document):
        folder, paths = TESTS, named(tests)
        assert paths, tests
        for path in paths:
            folder = TESTS / Path(path).parent if "/" in path else folder
            if not are_there(TESTS, path) and not ("/" not in path and are_there(folder, path)):
                missing.append(path)
    assert missing == []
