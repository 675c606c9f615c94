"""The links of the documents lead somewhere."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dartwing_core import jobs

ROOT = Path(__file__).parents[2]
DOCUMENTS = {
    str(path.relative_to(ROOT)): path
    for folder in ("", "docs", "dartwing_core", "examples")
    for path in sorted((ROOT / folder).glob("**/*.md" if folder not in ("", "docs") else "*.md"))
}
LINK = re.compile(r"\]\(([^()\s]+)\)")


def without_snippets(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> Iterator[str]:
    """What a link to each heading ends with, as GitHub makes it."""
    for heading in re.findall(r"^#+ (.+)$", without_snippets(text), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_to_a_file_and_a_heading(name):
    # Seen failing: with a link to another name of a heading.
    path, missing = DOCUMENTS[name], []
    for link in LINK.findall(without_snippets(path.read_text())):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        file, _hash, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            missing.append(link)
    assert missing == []


def test_the_reference_of_python_has_every_public_name():
    # Seen failing: with a name that no line has. `./dev lint docs` fails for a line without a name.
    text = (ROOT / "docs" / "python_api.md").read_text()
    public = {name for name, value in vars(jobs).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert set(re.findall(r"^::: dartwing_core\.jobs\.(\w+)$", text, re.MULTILINE)) - {"testing"} == public
    assert [name for name in public if not getattr(jobs, name).__doc__] == []
