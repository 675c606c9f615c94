"""The template of translations, `dartwing_core/locale/main.pot`: every text of the app that people read.

From Python (`_`), JavaScript (`__`), templates, and the JSON files of DocTypes, workspaces, reports, cards and charts.
Frappe 15 and 16 make .po files beside it of this one (`bench create-po-file`) and read them compiled (docs/desk.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from babel.messages import extract
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from dartwing_core import __version__

from .site import ROOT

APP = ROOT / "dartwing_core"
POT = APP / "locale" / "main.pot"
MADE = datetime(2026, 1, 1, tzinfo=timezone.utc)  # that two runs write the same
HEADER = "# Template of the translations of dartwing_core; ./dev pot renews it."
ABOUT: dict[str, Any] = {
    "project": "dartwing_core",
    "version": __version__,
    "msgid_bugs_address": "developers@opensoft.one",
    "creation_date": MADE,
    "revision_date": MADE,
    "last_translator": "",
    "language_team": "",
}
KEYWORDS = {"_": None, "__": None, "_lt": None}
METHODS = {".py": "python", ".js": "javascript", ".html": "jinja2"}
LEFT_OUT = ("dist", "__pycache__", "tests", "locale")
TEXTS_OF_JSON = ("label", "description", "title", "report_name", "chart_name")


def texts() -> dict[str, set[str]]:
    """Every text, with the files that hold it."""
    found: dict[str, set[str]] = {}
    for path in sorted(APP.rglob("*")):
        if path.suffix not in (*METHODS, ".json") or set(LEFT_OUT) & set(path.relative_to(APP).parts):
            continue
        of_file = _of_json(path) if path.suffix == ".json" else _of_source(path)
        for text in of_file:
            found.setdefault(text, set()).add(str(path.relative_to(ROOT)))
    return found


def renew() -> int:
    """Write the template; returns the number of texts."""
    catalog = Catalog(header_comment=HEADER, fuzzy=False, **ABOUT)
    for text, files in sorted(texts().items()):
        catalog.add(text, locations=[(name, 0) for name in sorted(files)])
    POT.parent.mkdir(exist_ok=True)
    with POT.open("wb") as file:
        write_po(file, catalog, include_lineno=False, width=120)
    return len(catalog)


def committed() -> set[str]:
    """The texts in the template as it is."""
    with POT.open("rb") as file:
        return {str(message.id) for message in read_po(file) if message.id}


def _of_source(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for _line, message, _comments, _context in extract.extract(_method(path), file, keywords=KEYWORDS):
            yield message[0] if isinstance(message, tuple) else message


def _method(path: Path) -> Any:
    if path.suffix != ".html":
        return METHODS[path.suffix]
    from jinja2.ext import babel_extract

    return babel_extract


def _of_json(path: Path) -> Iterator[str]:
    """Labels, descriptions and choices of what Frappe keeps as JSON."""
    document = json.loads(path.read_text())
    if isinstance(document, dict) and document.get("doctype"):
        yield from _of_document(document)


def _of_document(document: dict[str, Any]) -> Iterator[str]:
    if document.get("doctype") in ("DocType", "Workspace"):
        yield document["name"]
    for key, value in document.items():
        if key in TEXTS_OF_JSON and isinstance(value, str) and value:
            yield value
        elif key == "options" and document.get("fieldtype") == "Select":
            yield from filter(None, value.split("\n"))
        elif isinstance(value, list):
            for row in value:
                if isinstance(row, dict):
                    yield from _of_document(row)
