"""The texts in the JSON files of an app, for babel: `./dev pot` (`tool.babel` in pyproject.toml)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

TEXTS = ("label", "description", "title", "report_name", "chart_name")


def extract(file: IO[bytes], *_of_babel: Any, **_options: Any) -> Iterator[tuple[int, str, str, list[str]]]:
    """Names, labels, descriptions and choices of DocTypes, workspaces, reports, cards and charts."""
    document = json.load(file)
    if isinstance(document, dict) and document.get("doctype"):
        yield from ((0, "_", text, []) for text in texts_of(document) if text)


def texts_of(document: dict[str, Any]) -> Iterator[str]:
    """The texts of a document and of its rows."""
    if document.get("doctype") in ("DocType", "Workspace"):
        yield document["name"]
    for key, value in document.items():
        if key in TEXTS and isinstance(value, str):
            yield value
        elif key == "options" and document.get("fieldtype") == "Select":
            yield from value.split("\n")
        elif isinstance(value, list):
            for row in value:
                if isinstance(row, dict):
                    yield from texts_of(row)
