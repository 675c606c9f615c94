"""What the documents name is there: files and headings, public functions, code and tests, commands, endpoints."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dartwing_core import jobs
from dartwing_core.api import jobs as api
from standalone.commands import COMMANDS
from tests.support import snippets

ROOT = Path(__file__).parents[2]
DOCUMENTS = {
    str(path.relative_to(ROOT)): path
    for folder in ("", "docs", "dartwing_core", "examples")
    for path in sorted((ROOT / folder).glob("**/*.md" if folder not in ("", "docs") else "*.md"))
}
LINK = re.compile(r"\]\(([^()\s]+)\)")
TABLES = {"SECURITY.md": "## How it is kept", "docs/reliability.md": "# Reliability"}
"""Headings of the tables with a promise, its code and its tests in each row."""


def without_snippets(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> Iterator[str]:
    """What a link to each heading ends with, as GitHub makes it."""
    for heading in re.findall(r"^#+ (.+)$", without_snippets(text), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_link_leads_to_a_file_and_a_heading():
    missing = []
    for name, path in DOCUMENTS.items():
        for link in LINK.findall(without_snippets(path.read_text())):
            if link.startswith(("http:", "https:", "mailto:")):
                continue
            file, _hash, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
                missing.append((name, link))
    assert missing == []


def test_the_reference_of_python_has_every_public_name():
    # `./dev lint docs` fails for a line without a name.
    text = (ROOT / "docs" / "python_api.md").read_text()
    public = {name for name, value in vars(jobs).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert set(re.findall(r"^::: dartwing_core\.jobs\.(\w+)$", text, re.MULTILINE)) - {"testing"} == public
    assert [name for name in public if not getattr(jobs, name).__doc__] == []


@pytest.mark.parametrize("document", TABLES)
def test_the_code_and_the_tests_of_each_promise_exist(document):
    text = (ROOT / document).read_text().split(f"{TABLES[document]}\n", 1)[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) > 5
    app = ROOT / "dartwing_core"
    for promise, code, tests in rows:
        for path in re.findall(r"`([^`]+)`", code):
            assert (app / path).exists() or (app / "dartwing_core" / path).exists(), (promise, path)
        for path in re.findall(r"`([^`]+)`", tests):
            assert any((ROOT / "tests").rglob(path.rstrip("/"))), (promise, path)


def printed(language: str) -> str:
    return "\n".join(text for document in snippets.DOCUMENTS for text in snippets.texts(document, language))


def test_commands_endpoints_and_functions_of_desk_are_there():
    shell = printed("sh")
    commands = set(re.findall(r"^(?:\w+=\S+ )*\./dev (\w+)", shell, re.MULTILINE))
    assert commands <= {*COMMANDS, "clean"}
    files = [f"benchmarks/{name}.py" for name in re.findall(r"\./dev bench (\w+)", shell)]
    files += re.findall(r"\./dev test (tests/\S+)", shell)
    assert [file for file in files if not (ROOT / file).exists()] == []
    endpoints = set(re.findall(r"(?:api\.jobs|\$API)\.(\w+)", shell))
    assert [name for name in endpoints if not hasattr(api, name)] == []
    bundle = (ROOT / "dartwing_core/public/js/dartwing_core.bundle.js").read_text()
    offered = set(re.findall(r"\w+", re.search(r"Object\.assign\((.*?)\);", bundle, re.DOTALL)[1]))
    called = set(re.findall(r"dartwing_core\.jobs\.(\w+)\(", printed("js")))
    assert called <= offered
    assert all((commands, endpoints, called)), "they were found"
