"""`./dev lint dead-code`: code that nothing of ours calls, found by vulture. Code that tests alone call is dead too.

Known without being named: functions whose dotted path is in the hooks or in a JSON file of the app; functions that a
decorator registers; controllers of DocTypes; fields of classes; attributes, which are set for others to read.
All other names that Frappe or a library calls are in `called_by_others.py`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .site import APP, ROOT

if TYPE_CHECKING:
    from vulture.core import Item

SOURCES = (APP, "standalone", "benchmarks")
TESTS = f"{ROOT}/{APP}/tests/*"
REGISTERING = [
    *("@frappe.whitelist", "@endpoint", "@instead_of"),
    *("@job_handler", "@bench.command", "@pytest.hookimpl", "@pytest.fixture"),
]
CONTROLLER = re.compile(rf"{APP}/{APP}/doctype/(\w+)/\1\.py")
HOOKS = f"{APP}/hooks.py"
FIELD = re.compile(r" {4}\w+: ")
"""A field of a class: of a row, an answer, parameters or the settings. Its reader may name it by a text."""


def main() -> int:
    """Print what is dead; 1 if anything is."""
    from vulture import Vulture  # a bench, where the tests run too, has none

    vulture = Vulture(ignore_decorators=REGISTERING)
    vulture.scavenge([str(ROOT / source) for source in SOURCES], exclude=[TESTS])
    named = {path for text in named_in() for path in re.findall(rf"{APP}(?:\.\w+)+", text)}
    found = [item for item in vulture.get_unused_code(min_confidence=60) if not is_known(item, named)]
    for item in found:
        print(f"{Path(item.filename).relative_to(ROOT)}:{item.first_lineno}: {item.message}")
    return bool(found)


def named_in() -> Iterator[str]:
    """Texts that name functions by dotted paths."""
    from dartwing_core import hooks

    yield repr(vars(hooks))
    for file in (ROOT / APP).rglob("*.json"):
        yield file.read_text()


def is_known(item: Item, named: set[str]) -> bool:
    """Whether something calls or reads it that vulture does not see."""
    file = Path(item.filename).relative_to(ROOT)
    if item.typ == "attribute":
        return True
    if item.typ == "variable" and (str(file) == HOOKS or FIELD.match(line_of(item))):
        return True
    if item.typ == "class" and CONTROLLER.fullmatch(str(file)):
        return True
    return f"{'.'.join(file.with_suffix('').parts)}.{item.name}" in named


def line_of(item: Item) -> str:
    return Path(item.filename).read_text().splitlines()[item.first_lineno - 1]


if __name__ == "__main__":
    sys.exit(main())
