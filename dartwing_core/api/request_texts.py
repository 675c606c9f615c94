"""What stands in a request: its texts, those within JSON too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

PROSE = frozenset({"content", "comment", "description", "message", "text", "subject", "reply", "reason"})
"""Arguments that people write in."""
FILTERS = ("filters", "or_filters")
OPERATORS = frozenset({"=", "!=", "<", ">", "<=", ">=", "<>", "like", "not like", "in", "not in", "between", "is"})


def texts(value: Any) -> Iterator[str]:
    """All keys and texts in a value but prose, those in JSON text too."""
    if isinstance(value, str):
        yield value
        value = parsed(value)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in PROSE:
                yield str(key)
                yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def listed(value: Any) -> list[Any]:
    """A list, sent as such or as JSON text; empty for anything else."""
    found = parsed(value) if isinstance(value, str) else value
    return found if isinstance(found, list) else []


def parsed(text: str) -> Any:
    """What JSON text holds; None if it is none."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def conditions(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The filters among a query's arguments, without what they compare with."""
    return {key: _without_values(arguments[key]) for key in FILTERS if arguments.get(key)}


def _without_values(value: Any) -> Any:
    inner = parsed(value) if isinstance(value, str) else value
    if isinstance(inner, Mapping):
        return list(inner)
    return list(_but_values(inner)) if isinstance(inner, list) else value


def _but_values(values: list[Any]) -> Iterator[Any]:
    """The parts of a list but those that follow an operator."""
    is_compared = False
    for value in values:
        if not is_compared:
            yield _without_values(value)
        is_compared = isinstance(value, str) and value.strip().lower() in OPERATORS
