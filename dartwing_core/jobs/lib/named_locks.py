"""Named locks of the server, separate for each site."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence

import frappe
from frappe.utils import create_batch

from . import server_errors

AT_ONCE = 200  # locks in one statement


@contextlib.contextmanager
def named_lock(name: str, wait: float = 0) -> Iterator[bool]:
    """Hold a lock of the server while entered. Yields False if another session keeps it, as `acquire_locks` does."""
    names = [lock_name(name)]
    is_ours = acquire_locks(names, wait)
    try:
        yield is_ours
    finally:
        if is_ours:
            release_locks(names)


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


def release_locks(names: Sequence[str]) -> None:
    """Release these locks, as far as this connection has them. `names`: as `lock_name` makes them."""
    for some in create_batch(names, AT_ONCE):
        frappe.db.sql(f"SELECT {', '.join(['RELEASE_LOCK(%s)'] * len(some))}", some)


def lock_name(name: str) -> str:
    """A lock's name in the server, which may serve other sites: a hash, since names are limited to 64 characters."""
    return hashlib.sha256(f"{frappe.conf.db_name}:{name}".encode()).hexdigest()
