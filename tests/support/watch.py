"""Looking at the database again and again while others work: for what must not be true at any moment."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from dartwing_core.jobs.lib import sql


class Watch:
    """While entered, the largest number that a query finds; it ends with the block, however that ends.

    The number stands in the query's first row and column, unless a class overrides `count`.
    """

    def __init__(self, query: str, *parameters: Any):
        self.most = self.looks = 0
        self._query = query, parameters
        self._over = threading.Event()
        self._connect = sql.connector()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_exception: Any) -> None:
        self._over.set()
        self._thread.join(10)

    def _look(self) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            while not self._over.wait(0.002):
                cursor.execute(*self._query)
                self.most = max(self.most, self.count(cursor.fetchall()))
                self.looks += 1

    def count(self, rows: Sequence[tuple[Any, ...]]) -> int:
        """The number that these rows of one look stand for."""
        return rows[0][0]
