"""The fenced blocks of the documents."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A fenced block: what it is written in, and its text."""

    language: str
    text: str


def snippets(document: Path) -> list[Snippet]:
    """All fenced blocks of a document, in their order."""
    return [Snippet(*found.groups()) for found in FENCE.finditer(document.read_text())]


def texts(document: Path, language: str) -> list[str]:
    """The blocks of a document in this language, in their order."""
    return [snippet.text for snippet in snippets(document) if snippet.language == language]
