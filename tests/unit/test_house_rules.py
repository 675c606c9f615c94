"""Rules of this repository that no linter holds."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
MOST_LINES = 400
"""Of a file of tests; a longer one has more than one topic."""
WITHOUT_A_SUBJECT = re.compile(r"(?:^|[.!?:]\s+|\n\s*(?:\n|- )\s*)((?:Who|Whoever|What|Whatever|The same)\b[^.\n]*)")
"""Beginnings of sentences that leave their subject to be guessed."""


def test_no_file_of_tests_is_too_long_to_have_one_topic():
    # Seen failing: with 17 files, the longest of 1,391 lines.
    lengths = {path.relative_to(TESTS): len(path.read_text().splitlines()) for path in TESTS.rglob("*.py")}
    assert {str(path): lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


@pytest.mark.parametrize("folder", ["dartwing_core", "standalone", "benchmarks"])
def test_every_sentence_of_a_docstring_or_comment_has_a_subject(folder):
    # Seen failing: with 60 sentences of the app.
    found = [
        f"{path.relative_to(ROOT)}: {sentence}"
        for path in (ROOT / folder).rglob("*.py")
        for text in prose_of(path.read_text())
        for sentence in WITHOUT_A_SUBJECT.findall(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        '"""What this is."""',
        'x = 1\n"""Fine. Who reads this knows more."""',
        "# Fine so far. The same\n# again.",
        'def f():\n    """Fine.\n\n    Whatever it is.\n    """',
    ],
)
def test_a_sentence_without_a_subject_is_found(source):
    assert any(WITHOUT_A_SUBJECT.search(text) for text in prose_of(source))


def prose_of(source: str) -> Iterator[str]:
    """The docstrings of a module, of its parts and of attributes, and its blocks of comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [(token.start[0], token.string.lstrip("# ")) for token in tokens if token.type == tokenize.COMMENT]
    block = "".join(text for _line, text in comments[:1])
    for (before, _text), (line, text) in pairwise(comments):
        if line == before + 1:
            block += f" {text}"
        else:
            yield block
            block = text
    yield block
