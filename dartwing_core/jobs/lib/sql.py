"""MariaDB's side: statements as of now, rows, named locks, transactions of the engine's own, further connections."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any, TypeVar

import frappe
from frappe.utils import create_batch
from pypika.functions import Count
from pypika.queries import QueryBuilder, Table
from pypika.terms import Criterion, CustomFunction

from . import server_errors
from .server_errors import BaseTimeoutException, RedisError

CONFLICT_TRIES = 3
T = TypeVar("T")
MOST_LOCKED_NAMES = 5_000  # from some 32,000 on, the server locks the table (`optimizer_max_sel_arg_weight`)
UPTIME = "SHOW GLOBAL STATUS LIKE 'Uptime'"
"""Seconds since the server's start. A server that started later gives the number of a connection to others."""
_outside: ContextVar[Any] = ContextVar("outside", default=None)
database_epoch = CustomFunction("UNIX_TIMESTAMP")
"""Seconds since 1970 by the database's clock, which all workers and sweepers share: for leases."""


def run_update(query: QueryBuilder, lock_wait: int | None = None, by_name: bool = False) -> int:
    """Run an UPDATE against the latest committed rows and return how many it changed.

    `lock_wait`: seconds to wait for a locked row, instead of the server's usual 50. `by_name`: find the rows only by
    name. Over another index, or the whole table, an UPDATE would wait for rows of others' open transactions.

    The guards in WHERE decide about a row that was changed since this transaction began, and no error 1020.
    """
    statement, parameters = query.walk()
    if by_name:  # the query builder knows no FORCE INDEX there
        statement = statement.replace(" SET ", " FORCE INDEX (PRIMARY) SET ", 1)
    return execute_as_of_now(statement, parameters, lock_wait)


def execute_as_of_now(statement: str, values: Mapping[str, Any] | Sequence[Any], lock_wait: int | None = None) -> int:
    """Run the finished text of an UPDATE like that. For paths where making the text takes longer than running it."""
    frappe.db.sql(as_of_now(lock_wait) + statement, values)
    return frappe.db._cursor.rowcount


def count(table: Table, condition: Criterion, at_most: int) -> int:
    """How many rows meet the condition. Counts up to `at_most`: counting a million takes too long for people."""
    rows = frappe.qb.from_(table).select(table.name).where(condition).limit(at_most).as_("rows")
    return int(frappe.qb.from_(rows).select(Count("*")).run()[0][0])


def as_of_now(lock_wait: int | None = None) -> str:
    """The prefix of a statement that must not fail by snapshot isolation, nor wait longer for a row.

    Snapshot isolation is ON by default from MariaDB 11.6.2 on. Older servers read that part as a comment. From 1,000
    names on, the server would join them to a scan of the table, in spite of FORCE INDEX, and lock all rows.
    """
    wait = f"innodb_lock_wait_timeout={lock_wait:d}, " if lock_wait is not None else ""
    return f"SET STATEMENT {wait}in_predicate_conversion_threshold=0 /*M!110602 , innodb_snapshot_isolation=OFF*/ FOR "


def run_locking_read(query: QueryBuilder, *, as_dict: bool = False, lock_wait: int | None = None) -> Any:
    """Run a SELECT … FOR UPDATE against the latest committed rows. `lock_wait`: as for `run_update`."""
    statement, parameters = query.walk()
    return frappe.db.sql(as_of_now(lock_wait) + statement, parameters, as_dict=as_dict)


def latest(doctype: str, name: str, column: str) -> Any:
    """A column as committed right now, which the snapshot may not show yet. None without the row. Locks it."""
    table = frappe.qb.DocType(doctype)
    found = run_locking_read(frappe.qb.from_(table).select(table[column]).where(table.name == name).for_update())
    return found[0][0] if found else None


def commit() -> None:
    """Commit by SQL alone: `frappe.db.commit()` would run the callbacks of other users of this connection."""
    frappe.db.sql("commit and chain")
    call_all(_take_own_callbacks())


def call_all(callbacks: Sequence[Callable[[], Any]]) -> None:
    """Call each, even if an earlier one raises. Raise the last error in the end."""
    with contextlib.ExitStack() as stack:
        for callback in reversed(callbacks):
            stack.callback(callback)


def rollback() -> None:
    """Roll back by SQL alone, without the callbacks of other users of this connection."""
    frappe.db.sql("rollback")
    frappe.db.begin()
    _take_own_callbacks()


class Gathered(functools.partial[Any]):
    """The call of a function after the commit, with the list of all that the transaction has for it."""


def after_any_commit(use: Callable[[list[T]], Any], values: Iterable[T]) -> None:
    """Call `use` with these and all further values, when this transaction is committed by Frappe or by `commit` above.

    A rollback drops them with Frappe's other callbacks.
    """
    callbacks = frappe.db.after_commit
    gathered = next((one for one in callbacks._functions if isinstance(one, Gathered) and one.func is use), None)
    if gathered is None:
        gathered = Gathered(use, [])
        callbacks.add(gathered)
    gathered.args[0].extend(values)


def _take_own_callbacks() -> list[Gathered]:
    functions = frappe.db.after_commit._functions
    own = [callback for callback in functions if isinstance(callback, Gathered)]
    for callback in own:
        functions.remove(callback)
    return own


def committed(action: Callable[[], T], tries: int = CONFLICT_TRIES) -> T:
    """Run `action` and commit. Start again, `tries` times in all, if it loses against another session.

    Only in the engine's own transactions: after-commit callbacks, workers, scheduler, command line (invariant I2).
    """
    for attempt in range(1, tries + 1):
        try:
            result = action()
            commit()
            return result
        except Exception as error:
            rollback()
            if attempt == tries or not server_errors.is_conflict(error):
                raise
    raise AssertionError("unreachable")


def best_effort(action: Callable[[], T]) -> T | None:
    """Run `action` without failing the caller: an error is logged and its transaction undone.

    The rows are the truth, Redis is a doorbell (invariant I1). So the next sweep repairs a step that failed after a
    commit.
    """
    try:
        return action()
    except RedisError as error:
        frappe.logger("dartwing_core").warning(f"Redis is not reachable; jobs wait for the next sweep: {error}")
    except BaseTimeoutException:
        raise  # it comes only once: swallowed, it would let a plain background job run for ever
    except Exception:
        frappe.logger("dartwing_core").exception("A step was left to the next sweep")
        with contextlib.suppress(Exception):
            rollback()
    return None


def kill_connection(connection_id: int | None, seconds_ago: float) -> None:
    """End a connection of a lost attempt, with its query, locks and open transaction. Best effort.

    `seconds_ago`: when that connection was in use.
    """
    if not _is_known(connection_id, seconds_ago) or connection_id == this_connection():
        return
    try:
        frappe.db.sql("KILL %s", (connection_id,))
    except Exception as error:
        if server_errors.database_code(error) not in (server_errors.NO_SUCH_THREAD, server_errors.QUERY_INTERRUPTED):
            raise


def is_connected(connection_id: int | None, seconds_ago: float) -> bool:
    """Whether a connection that was in use so long ago, and so its process, is still there."""
    if not _is_known(connection_id, seconds_ago):
        return False
    return bool(frappe.db.sql("SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s", (connection_id,)))


def _is_known(connection_id: int | None, seconds_ago: float) -> bool:
    if not connection_id:
        return False
    return float(frappe.db.sql(UPTIME)[0][1]) >= seconds_ago


def rows_outside_transaction(query: QueryBuilder) -> list[dict[str, Any]]:
    """The rows of a SELECT as committed right now, which this transaction's snapshot may not show yet."""
    with connection_outside() as other, other.cursor() as cursor:
        cursor.execute(*query.walk())
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


@contextlib.contextmanager
def connection_outside() -> Iterator[Any]:
    """One more connection to the site's database, in autocommit. Blocks inside of this one use the same connection."""
    if outer := _outside.get():
        yield outer
        return
    with contextlib.closing(connector()()) as opened:
        token = _outside.set(opened)
        try:
            yield opened
        finally:
            _outside.reset(token)


def connector() -> Callable[[], Any]:
    """A function that opens one more connection to the site's database, in autocommit. Any thread may call it."""
    if not frappe.db._conn:  # Frappe opens it with the first statement
        frappe.db.connect()
    driver = importlib.import_module(type(frappe.db._conn).__module__.split(".")[0])
    settings = dict(frappe.db.get_connection_settings())
    return lambda: driver.connect(**settings, autocommit=True)


def this_connection() -> int | None:
    """The server's number of this connection, by which its query can be killed. None if there is none."""
    try:
        return int(frappe.db._conn.thread_id())
    except BaseTimeoutException:
        raise
    except Exception:
        return None  # a connection that is closed already, or not open yet


# Rows, deleted by name, so that nobody waits --------------------------------------------------------------------------


STANDARD = ("name", "creation", "modified", "owner", "modified_by", "docstatus", "idx")
"""Columns that Frappe gives to every table."""


def standard_columns(name: str, owner: str, now: datetime) -> dict[str, Any]:
    """The values of STANDARD for a new row, by column."""
    return dict(zip(STANDARD, (name, now, now, owner, owner, 0, 0), strict=True))


def update_query(doctype: str, values: Mapping[str, Any]) -> QueryBuilder:
    """An UPDATE that sets these columns. The caller adds the condition."""
    table = frappe.qb.DocType(doctype)
    query = frappe.qb.update(table)
    for column, value in values.items():
        query = query.set(table[column], value)
    return query


MANY = 50
"""Rows from which on a value that all of them share is sent only once."""


def insert_rows(doctype: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns in one statement."""
    shared = [column for column in rows[0] if len(rows) >= MANY and len({row[column] for row in rows}) == 1]
    own = [column for column in rows[0] if column not in shared]
    names = ",".join(f"`{column}`" for column in own)
    row = ",".join(["%s"] * len(own))
    source = f"VALUES {','.join([f'({row})'] * len(rows))}"
    if shared:
        source = f"WITH own ({names}) AS ({source}) SELECT {names},{','.join(['%s'] * len(shared))} FROM own"
    head = f"INSERT INTO `tab{doctype}` ({','.join(f'`{column}`' for column in own + shared)}) "
    values = [row[column] for row in rows for column in own] + [rows[0][column] for column in shared]
    frappe.db.sql(as_of_now() + head + source, values)


LOCK_WAIT = 2  # seconds that a deletion waits for a row


def delete_rows(doctype: str, column: str, values: Collection[str]) -> None:
    """Delete the rows with one of these values in an indexed column, also those committed since the snapshot."""
    delete_named(doctype, names_of(doctype, column, values))


def names_of(doctype: str, column: str, values: Collection[str]) -> set[str]:
    """The names of the rows with one of these values, in this transaction or as committed now. Takes no locks."""
    if not values:
        return set()
    table = frappe.qb.DocType(doctype)
    query = frappe.qb.from_(table).select(table.name).where(table[column].isin([*values]))
    return {row["name"] for row in rows_outside_transaction(query)}.union(query.run(pluck=True))


def delete_named(doctype: str, names: Collection[str], **having: Collection[str]) -> None:
    """Delete these rows, by the primary key. `having`: only those with one of these values in a column."""
    table = frappe.qb.DocType(doctype)
    for some in create_batch(sorted(names), MOST_LOCKED_NAMES):
        query = frappe.qb.from_(table).delete().where(table.name.isin(some))
        for column, values in having.items():
            query = query.where(table[column].isin([*values]))
        statement, parameters = query.walk()
        # The query builder knows no FORCE INDEX in a DELETE.
        head, where, condition = statement.partition(" WHERE ")
        name = head.removeprefix("DELETE FROM ")
        text = f"DELETE {name} FROM {name} FORCE INDEX (PRIMARY){where}{condition}"
        frappe.db.sql(as_of_now() + text, parameters)


@contextlib.contextmanager
def short_lock_waits() -> Iterator[None]:
    """Wait at most LOCK_WAIT seconds for each row while entered, also in Frappe's own statements."""
    before = frappe.db.sql("SELECT @@innodb_lock_wait_timeout")[0][0]
    frappe.db.sql(f"SET innodb_lock_wait_timeout = {LOCK_WAIT:d}")
    try:
        yield
    finally:
        frappe.db.sql(f"SET innodb_lock_wait_timeout = {int(before):d}")


# Named locks of the server, separate for each site --------------------------------------------------------------------


LOCKS_AT_ONCE = 200  # locks in one statement


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

    Returns whether it has them all. `names`: as `lock_name` makes them, LOCKS_AT_ONCE at most. Returns False, too, if
    the holder of one waits for a lock of this session. The transaction stays as it is.
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
    for some in create_batch(names, LOCKS_AT_ONCE):
        frappe.db.sql(f"SELECT {', '.join(['RELEASE_LOCK(%s)'] * len(some))}", some)


def lock_name(name: str) -> str:
    """A lock's name in the server, which may serve other sites: a hash, since names are limited to 64 characters."""
    return hashlib.sha256(f"{frappe.conf.db_name}:{name}".encode()).hexdigest()
