"""Whose turn it is: stride scheduling over organizations, without a database.

Each organization has a pass; the lowest is next, and pays 1 / weight for its turn. A pass is worth something while its
owner can go. Who had no jobs, was paused, or could not take its turn when it came has none left, and comes back level
with the lowest of those that can go: nobody saves up turns. (Waldspurger and Weihl, Stride Scheduling, MIT 1995.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush, nsmallest


class Turns:
    """The passes of the organizations that have waiting jobs in one queue, and the order of their turns."""

    def __init__(self, passes: Mapping[str, float], weights: Mapping[str, int], ranks: Mapping[str, float]):
        """`passes`: as kept from the last time; organizations that had none then begin at the lowest of the others.
        `ranks`: of their first jobs; among equals the one that has waited longest is next."""
        known = {name: passes[name] for name in weights if name in passes}
        start = min(known.values(), default=0.0)
        self._weights = weights
        self._took: set[str] = set()
        self.passes = {name: max(known.get(name, start), start) for name in weights}
        self._order = [(self.passes[name], ranks[name], name) for name in weights]
        heapify(self._order)

    def next(self) -> str:
        """The organization whose turn it is; it is out of the order until it `took` its turn.

        Raises IndexError if there is none.
        """
        return heappop(self._order)[2]

    def first(self, number: int) -> list[str]:
        """So many of the organizations, in the order of their next turns."""
        return [name for _pass, _rank, name in nsmallest(number, self._order)]

    def took(self, name: str, rank: float | None) -> None:
        """It has had a turn; `rank`: of its next job, None if it has no more."""
        self.passes[name] += 1 / max(1, self._weights[name])
        self._took.add(name)
        if rank is not None:
            heappush(self._order, (self.passes[name], rank, name))

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
