"""Reads the texts in arguments, also within JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def texts(value: Any) -> Iterator[str]:
    """All keys and texts in a value, also within JSON text, in no particular order.

    Takes as long as there are values, however deep they lie.
    """
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
            value = parsed(value)
        if isinstance(value, Mapping):
            yield from map(str, value)
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)


def values_in(value: Any) -> Iterator[Any]:
    """All values in filters, also within JSON text and lists, without the names of the filters, which are fields."""
    left = [parsed(value)]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)
        else:
            yield value


def listed(value: Any) -> list[Any]:
    """A list, sent as such or as JSON text; empty for anything else."""
    found = parsed(value)
    return list(found) if isinstance(found, list | tuple) else []


def parsed(value: Any) -> Any:
    """The content of JSON text; None for another text; any other value unchanged."""
    if not isinstance(value, str):
        return value
    if value.lstrip()[:1] not in ("{", "[", '"'):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
