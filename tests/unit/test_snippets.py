"""What the documents print in other languages than Python: the commands, endpoints and functions are there."""

from __future__ import annotations

import re

from dartwing_core.api import jobs as api
from standalone.commands import COMMANDS
from tests.support.snippets import DOCUMENTS, ROOT, snippets, texts


def printed(language: str) -> str:
    return "\n".join(text for document in DOCUMENTS for text in texts(document, language))


def test_commands_of_dev_are_there():
    shell = printed("sh")
    names = set(re.findall(r"^(?:\w+=\S+ )*\./dev (\w+)", shell, re.MULTILINE))
    assert len(names) > 5
    assert names <= {*COMMANDS, "clean"}
    files = [f"benchmarks/{name}.py" for name in re.findall(r"\./dev bench (\w+)", shell)]
    files += re.findall(r"\./dev test (tests/\S+)", shell)
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_endpoints_are_there():
    names = set(re.findall(r"(?:api\.jobs|\$API)\.(\w+)", printed("sh")))
    assert names
    assert [name for name in names if not hasattr(api, name)] == []


def test_functions_of_desk_are_there():
    bundle = (ROOT / "dartwing_core/public/js/dartwing_core.bundle.js").read_text()
    offered = set(re.findall(r"\w+", re.search(r"Object\.assign\((.*?)\);", bundle, re.DOTALL)[1]))
    called = set(re.findall(r"dartwing_core\.jobs\.(\w+)\(", printed("js")))
    assert called
    assert called <= offered


def test_no_block_is_overlooked():
    for document in DOCUMENTS:
        fences = re.findall(r"^\s*(?:```|~~~)", document.read_text(), re.MULTILINE)
        assert len(fences) == 2 * len(snippets(document)), document
        assert {one.language for one in snippets(document)} <= {"python", "sh", "js", "json", "mermaid"}, document
