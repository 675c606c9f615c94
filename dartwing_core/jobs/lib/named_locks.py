"""Named locks of the server, separate for each site."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence

import frappe

from . import server_errors
from .dml import in_pieces

LONGEST_LOCK_NAME = 64
AT_ONCE = 200
"""Locks in one statement."""


@contextlib.contextmanager
def named_lock(name: str, wait: float = 0) -> Iterator[bool]:
    """Hold a lock of the server while entered. Yields False if another session keeps it."""
    is_ours = acquire_lock(name, wait)
    try:
        yield is_ours
    finally:
        if is_ours:
            release_lock(name)


def acquire_lock(name: str, wait: float = 0) -> bool:
    """Acquire the lock of this name. Returns whether that succeeded, as `acquire_locks` does."""
    return acquire_locks([lock_name(name)], wait)


def acquire_locks(names: Sequence[str], wait: float) -> bool:
    """Acquire these locks one after the other, and stop at the first that is not free within `wait` seconds.

    Returns whether it has them all. `names`: as `lock_name` makes them, AT_ONCE at most. Returns False, too, if the
    holder of one waits for a lock of this session. The transaction stays as it is.
    """
    calls = " AND ".join(["GET_LOCK(%s, %s)"] * len(names))
    try:
        return bool(frappe.db.sql(f"SELECT {calls}", [value for name in names for value in (name, wait)])[0][0])
    except Exception as error:
        if server_errors.database_code(error) == server_errors.DEADLOCK:  # of named locks, which undoes no transaction
            return False
        raise


def release_lock(name: str) -> None:
    """Release the lock of this name. Does nothing if this connection does not have it."""
    release_locks([lock_name(name)])


def release_locks(names: Sequence[str]) -> None:
    """Release these locks. `names`: as `lock_name` makes them."""
    for some in in_pieces(names, AT_ONCE):
        frappe.db.sql(f"SELECT {', '.join(['RELEASE_LOCK(%s)'] * len(some))}", some)


def lock_name(name: str) -> str:
    """A lock's name in the server, which may serve other sites. A hash if the name is too long for the server."""
    full = f"{frappe.conf.db_name}:{name}"
    return full if len(full) <= LONGEST_LOCK_NAME else hashlib.sha256(full.encode()).hexdigest()
