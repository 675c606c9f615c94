"""The fenced snippets of a Markdown document, as somebody who follows it would type them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@dataclass
class Snippet:
    """A fenced block: what it is written in, the heading above it, and its text."""

    language: str
    heading: str
    text: str


@dataclass
class Call:
    """One command of a shell snippet, and what the comment beside or below it says of the answer."""

    command: str
    comment: str

    @property
    def status(self) -> int:
        """The HTTP status that the comment begins with, else 200."""
        found = re.match(r"(\d{3})\b", self.comment)
        return int(found[1]) if found else 200

    @property
    def answer(self) -> set[str]:
        """The keys of the message that the comment shows."""
        if not self.comment.startswith('{"message":'):
            return set()
        depth, keys = 0, set()
        for token in re.finditer(r'"(\w+)"(?=\s*:)|[{[]|[\]}]', self.comment):
            if token[1] is None:
                depth += 1 if token[0] in "{[" else -1
            elif depth == 2:
                keys.add(token[1])
        return keys


def snippets(document: Path) -> list[Snippet]:
    """All fenced blocks of a document, in their order."""
    found, heading = [], ""
    parts = re.split(r"^(#{1,4} [^\n]*|```\w*\n.*?^```)$", document.read_text(), flags=re.M | re.S)
    for part in parts:
        if part.startswith("#"):
            heading = part.lstrip("# ")
        elif part.startswith("```"):
            language, _newline, text = part.removeprefix("```").removesuffix("```").partition("\n")
            found.append(Snippet(language, heading, text))
    return found


def calls(text: str) -> Iterator[Call]:
    """The curl commands of a shell snippet, each with its comment."""
    for chunk in re.split(r"^(?=curl )", text, flags=re.M):
        if chunk.startswith("curl "):
            command, *below = re.split(r"^# ", chunk, flags=re.M)
            command, *beside = re.split(r" +# ", command, maxsplit=1)
            yield Call(command.strip(), " ".join(" ".join([*beside, *below]).split()))


def commands(text: str) -> list[str]:
    """The commands of a shell snippet, each on one line, without comments."""
    text = re.sub(r"'[^']*'|\\\n", lambda found: found[0].replace("\\\n", " ").replace("\n", " "), text)
    return [found for line in text.splitlines() if (found := re.split(r"(?:^|\s+)#", line)[0].strip())]


def definitions(text: str) -> str:
    """The variables that a shell snippet sets for those below it."""
    return "".join(f"{line}\n" for line in text.splitlines() if re.match(r"[A-Z]+=", line))


def job_types(text: str) -> set[str]:
    """The Job Types that the text of a snippet names."""
    return set(re.findall(r'(?:\bjob\(|submit_job\(|@job_handler\(|"job_type": |job_type: )"(\w+)"', text))
