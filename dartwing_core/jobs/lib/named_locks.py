"""Named locks of the server, separate for each site."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import frappe
from pypika.functions import Substring
from pypika.terms import Criterion, CustomFunction

from . import server_errors

LONGEST_LOCK_NAME = 64
NAMED_LOCKS_NOT_SUPPORTED = 1235


@contextlib.contextmanager
def named_lock(name: str, wait: float = 0) -> Iterator[bool]:
    """Hold a lock of the server, separate for each site, while entered. Yields False if another session keeps it.

    Without such locks (Galera, other databases) it always yields True.
    """
    is_ours = acquire_lock(name, wait)
    try:
        yield is_ours is not False
    finally:
        if is_ours:
            release_lock(name)


def acquire_lock(name: str, wait: float = 0) -> bool | None:
    """Acquire the server's lock of this name. Returns whether that succeeded, or None without such locks.

    Returns False, too, if its holder waits for a lock of this session. The transaction stays as it is.
    """
    if frappe.db.db_type != "mariadb":
        return None
    try:
        return bool(frappe.db.sql("SELECT GET_LOCK(%s, %s)", (lock_name(name), wait))[0][0])
    except Exception as error:
        code = server_errors.database_code(error)
        if code == server_errors.DEADLOCK:  # of named locks, which undoes no transaction
            return False
        if code != NAMED_LOCKS_NOT_SUPPORTED:
            raise
        return None


def has_lock(name: str) -> bool:
    """Whether this connection has the named lock."""
    if frappe.db.db_type != "mariadb":
        return False
    return bool(frappe.db.sql("SELECT IS_USED_LOCK(%s) = CONNECTION_ID()", (lock_name(name),))[0][0])


def release_lock(name: str) -> None:
    """Release a named lock. Does nothing if this connection does not have it."""
    if frappe.db.db_type == "mariadb":
        frappe.db.sql("SELECT RELEASE_LOCK(%s)", (lock_name(name),))


def is_free(name: Any, column: Any) -> Criterion:
    """Query builder condition: the lock of this `lock_name` is free once the row is locked.

    `column`: any column that is not NULL and that no other condition uses. With a constant name, the server would test
    the lock before it waits for the row.
    """
    row_dependent = CustomFunction("CONCAT", ["name", "nothing"])(name, Substring(column, 1, 0))
    return CustomFunction("IS_FREE_LOCK", ["name"])(row_dependent) == 1


def lock_name(name: str) -> str:
    """A lock's name in the server, which may serve other sites. A hash if the name is too long for the server."""
    full = f"{frappe.conf.db_name}:{name}"
    return full if len(full) <= LONGEST_LOCK_NAME else hashlib.sha256(full.encode()).hexdigest()
