"""Rules of this repository that no linter holds."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
MOST_LINES = 400
"""Of a file of tests; a longer one has more than one topic."""


def test_no_file_of_tests_is_too_long_to_have_one_topic():
    # Seen failing: with 17 files, the longest of 1,391 lines.
    lengths = {path.relative_to(TESTS): len(path.read_text().splitlines()) for path in TESTS.rglob("*.py")}
    assert {str(path): lines for path, lines in lengths.items() if lines > MOST_LINES} == {}
