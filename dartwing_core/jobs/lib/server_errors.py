"""Errors of the database server by their numbers, and the classes of Redis's and RQ's."""

from __future__ import annotations

from redis.exceptions import RedisError
from rq.timeouts import BaseTimeoutException

__all__ = ["BaseTimeoutException", "RedisError"]  # for rooms that know neither Redis nor RQ

DUPLICATE = 1062
DEADLOCK = 1213
LOCK_WAIT_TIMEOUT = 1205
NO_SUCH_THREAD = 1094
DOES_NOT_EXIST = 1305
QUERY_INTERRUPTED = 1317
TABLE_CHANGED = 1412  # by DDL since this transaction's snapshot: all of its statements on that table fail
CONFLICTS = frozenset({1020, LOCK_WAIT_TIMEOUT, DEADLOCK, TABLE_CHANGED})  # 1020: changed since read
UNDOING = frozenset({1020, DEADLOCK})  # errors that undo the whole transaction
LOST = frozenset({0, 1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055})
"""Of a connection that is gone or can't be opened. PyMySQL says 0 for one that it closed itself."""
PASSING = CONFLICTS | LOST | {1969, 3024}  # 1969, 3024: time limit of a statement


def is_conflict(error: BaseException) -> bool:
    """Whether a statement lost against another session (deadlock, lock wait, change since read) and may be rerun.

    So does a rollback to a savepoint that went with the transaction, after an error that said less: Frappe 16 turns a
    deadlock in `delete_doc` into an error of another kind.
    """
    found = _driver_error(error)
    if found is None:
        return False
    number, text = found.args[0], str(found.args[-1])
    return number in CONFLICTS or (number == DOES_NOT_EXIST and text.startswith("SAVEPOINT "))


def has_undone_transaction(error: BaseException) -> bool:
    """Whether the server has undone the whole transaction of a statement that failed."""
    return database_code(error) in UNDOING


def database_code(error: BaseException) -> int | None:
    """The driver's error number, also behind Frappe's wrappers. None if it is no error of the database."""
    found = _driver_error(error)
    return found.args[0] if found is not None and isinstance(found.args[0], int) else None


def _driver_error(error: BaseException) -> BaseException | None:
    seen: BaseException | None = error
    for _depth in range(5):
        if seen is None:
            return None
        if type(seen).__module__.split(".")[0] in ("pymysql", "MySQLdb") and seen.args:
            return seen
        wrapped = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else None
        seen = wrapped or seen.__cause__
    return None
