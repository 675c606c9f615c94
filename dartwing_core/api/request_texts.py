"""What stands in arguments: texts, those within JSON too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def texts(value: Any) -> Iterator[str]:
    """All keys and texts in a value, those in JSON text too."""
    if isinstance(value, str):
        yield value
        value = parsed(value)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def listed(value: Any) -> list[Any]:
    """A list, sent as such or as JSON text; empty for anything else."""
    found = parsed(value) if isinstance(value, str) else value
    return list(found) if isinstance(found, list | tuple) else []


def parsed(text: str) -> Any:
    """What JSON text holds; None if it is none."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
