"""The position of sweeps in a list that is too long for one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..lib import best_effort
from . import redis_queue


@dataclass(slots=True)
class Cursor:
    """A place in a list of names."""

    after: str
    """The last name that was read. "" for the beginning."""


@contextmanager
def cursor(name: str) -> Iterator[Cursor]:
    """The cursor of this name, as the last sweep has left it. Its position on leaving is kept.

    Without Redis each sweep begins anew.
    """
    before = best_effort.run(lambda: redis_queue.remembered(name, redis_queue.client())) or ""
    found = Cursor(before)
    yield found
    if found.after != before:
        best_effort.run(lambda: redis_queue.remember(name, found.after, redis_queue.client()))
