"""The documents: their links lead somewhere, and they stay short enough to be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = {"CHANGELOG.md", "docs/python_api.md"}
"""Made by `./dev api`, or a list of changes with a form of its own."""
DOCUMENTS = {
    str(path.relative_to(ROOT)): path
    for folder in ("", "docs", "dartwing_core", "examples")
    for path in sorted((ROOT / folder).glob("**/*.md" if folder not in ("", "docs") else "*.md"))
}
PROSE = sorted(set(DOCUMENTS) - GENERATED)
DECISIONS = [name for name in PROSE if name.endswith("DECISIONS.md")]
FOLDERS = [name for name in PROSE if name.startswith("dartwing_core/") and name.endswith("README.md")]
LONGEST_LINE = 160
"""Of prose, and of no table, heading or snippet."""
MOST_LINES_OF_README = 150
MOST_LINES_OF_A_FOLDER = 20
"""Of prose in a folder's README, beside its tables."""
MOST_WORDS = {"docs/architecture.md": 900}
MOST_WORDS_OF_A_DECISION = 120
VAGUE = re.compile(r"(?:^|[.:!?]\*{0,2} |^[-*] |\| )(?:Who|What|Whatever|Whoever|The same)\b", re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")


def without_snippets(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """The text without snippets, tables, headings and images."""
    lines = without_snippets(text).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("|", "#", "!")))


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


def test_the_index_names_every_document():
    # Seen failing: with a document that no row names.
    linked = {link.partition("#")[0] for link in LINK.findall((ROOT / "README.md").read_text())}
    assert {name for name in DOCUMENTS if name.startswith("docs/")} - linked == set()


@pytest.mark.parametrize("name", PROSE)
def test_lines_of_prose_are_short(name):
    # Seen failing: with lines of 600 characters in the README.
    lines = prose(DOCUMENTS[name].read_text()).splitlines()
    assert [line for line in lines if len(line) > LONGEST_LINE] == []


@pytest.mark.parametrize("name", PROSE)
def test_no_sentence_begins_with_a_word_that_names_nothing(name):
    # Seen failing: with sentences of eight documents.
    lines = [line for line in without_snippets(DOCUMENTS[name].read_text()).splitlines() if not line.startswith("#")]
    assert VAGUE.findall("\n".join(lines)) == []


def test_the_readme_is_a_front_door():
    # Seen failing: with forty more lines.
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES_OF_README


@pytest.mark.parametrize("name", MOST_WORDS)
def test_a_document_that_everybody_reads_is_short(name):
    # Seen failing: with 909 words of architecture.md.
    assert len(DOCUMENTS[name].read_text().split()) <= MOST_WORDS[name]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_readme_of_a_folder_is_short(name):
    # Seen failing: with wall/README.md, which held the decisions, and four others.
    assert len([line for line in prose(DOCUMENTS[name].read_text()).splitlines() if line]) <= MOST_LINES_OF_A_FOLDER


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_is_short(name):
    # Seen failing: with a decision of 130 words.
    decisions = re.split(r"^- ", prose(DOCUMENTS[name].read_text()), flags=re.MULTILINE)[1:]
    assert decisions
    assert [text[:60] for text in decisions if len(text.split()) > MOST_WORDS_OF_A_DECISION] == []
