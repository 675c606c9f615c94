"""Whose turn it is: stride scheduling over organizations, without a database.

Each organization has a pass; the lowest is next, and pays 1 / weight for its turn. A pass is worth something while its
owner can go. Who had no jobs, was paused, or could not take its turn when it came has none left, and comes back level
with the lowest of those that can go: nobody saves up turns. (Waldspurger and Weihl, Stride Scheduling, MIT 1995.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import nsmallest


class Turns:
    """The passes of the organizations that have waiting jobs in one queue."""

    def __init__(self, passes: Mapping[str, float], weights: Mapping[str, int]):
        """`passes`: as kept from the last time; organizations that had none then begin at the lowest of the others."""
        known = {name: passes[name] for name in weights if name in passes}
        start = min(known.values(), default=0.0)
        self._weights = weights
        self._took: set[str] = set()
        self.passes = {name: max(known.get(name, start), start) for name in weights}

    def next(self, candidates: Iterable[str], rank: Mapping[str, float]) -> str:
        """The organization whose turn it is; among equals the one that has waited longest."""
        return min(candidates, key=self._place(rank))

    def first(self, number: int, candidates: Iterable[str], rank: Mapping[str, float]) -> list[str]:
        """So many of the organizations, in the order of their next turns."""
        return nsmallest(number, candidates, key=self._place(rank))

    def _place(self, rank: Mapping[str, float]) -> Callable[[str], tuple]:
        return lambda name: (self.passes[name], rank[name], name)

    def took(self, name: str) -> None:
        """It has had a turn."""
        self.passes[name] += 1 / max(1, self._weights[name])
        self._took.add(name)

    def missed(self, name: str) -> None:
        """It was its turn, and a limit kept it from taking it: kept, its pass would fall behind all others."""
        del self.passes[name]
        self._took.discard(name)

    def keep_close(self, names: Iterable[str]) -> None:
        """Who waits for a slot that others have stays before those that took turns, by one turn at most."""
        if not self._took:
            return
        lowest = min(self.passes[name] for name in self._took)
        for name in names:
            self.passes[name] = max(self.passes[name], lowest - 1 / max(1, self._weights[name]))
