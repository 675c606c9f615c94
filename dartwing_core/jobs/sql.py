"""What the databases differ in, in one place."""

from __future__ import annotations

import re
from functools import lru_cache

import frappe

# First release of each MariaDB series that knows innodb_snapshot_isolation (MDEV-32898); ON by default since 11.6.2.
_SNAPSHOT_ISOLATION_SINCE = {
    (10, 6): 18,
    (10, 11): 8,
    (11, 0): 6,
    (11, 1): 5,
    (11, 2): 4,
    (11, 4): 2,
}

CONFLICTS = frozenset({1020, 1205, 1213})  # changed since read · lock wait time-out · deadlock


def run_update(query) -> int:
    """Run an UPDATE against the latest committed rows and return how many it changed.

    Under MariaDB's snapshot isolation, a row that anybody changed since this transaction began would
    end it with error 1020 and take the handler's work along; the guards in our WHERE decide instead.
    """
    statement, parameters = query.walk()
    if frappe.db.db_type == "mariadb" and knows_snapshot_isolation(frappe.db._conn.get_server_info()):
        statement = f"SET STATEMENT innodb_snapshot_isolation=OFF FOR {statement}"
    frappe.db.sql(statement, parameters)
    return frappe.db._cursor.rowcount


def connection_id() -> int | None:
    """The server's number of this connection, with which its query can be killed; None where there is none."""
    thread_id = getattr(frappe.db._conn, "thread_id", None)
    return int(thread_id()) if callable(thread_id) else None


@lru_cache
def knows_snapshot_isolation(server_version: str) -> bool:
    """Whether a server of this version, such as "11.8.3-MariaDB", has the variable innodb_snapshot_isolation."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)-MariaDB", server_version)
    if not found:
        return False
    major, minor, patch = (int(part) for part in found.groups())
    if (major, minor) in _SNAPSHOT_ISOLATION_SINCE:
        return patch >= _SNAPSHOT_ISOLATION_SINCE[major, minor]
    return (major, minor) >= (11, 5)


def is_conflict(error: BaseException) -> bool:
    """Whether a statement lost against another session (deadlock, lock wait, changed row) and may be run again."""
    return database_code(error) in CONFLICTS


def database_code(error: BaseException) -> int | None:
    """The driver's error number, also behind Frappe's wrappers; None if it is no error of the database."""
    seen: BaseException | None = error
    for _depth in range(5):
        if seen is None:
            return None
        if type(seen).__module__.split(".")[0] in ("pymysql", "MySQLdb") and seen.args:
            return seen.args[0] if isinstance(seen.args[0], int) else None
        wrapped = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else None
        seen = wrapped or seen.__cause__
    return None
