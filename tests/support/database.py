"""Looking at the database from the outside, and counting what a piece of code asks of it."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import frappe
from pypika.queries import QueryBuilder

DRIVERS = [importlib.import_module(name) for name in ("pymysql", "MySQLdb") if importlib.util.find_spec(name)]
"""Those that are installed: Frappe 16 has both, and uses MySQLdb by default."""
DRIVER_ERRORS = tuple(driver.Error for driver in DRIVERS)
CONTROL = re.compile(r"(commit|rollback|start transaction|begin|savepoint|release savepoint)\b", re.IGNORECASE)


@contextmanager
def another_connection() -> Iterator[Any]:
    """An autocommit connection of its own: what others see."""
    from dartwing_core.jobs.lib.sql import connector

    connection = connector()()
    try:
        yield connection
    finally:
        connection.close()


def rows(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """All rows, as another session sees them."""
    with another_connection() as connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def value(sql: str, *parameters: Any) -> Any:
    """First column of the first row, as another session sees it."""
    found = rows(sql, *parameters)
    return found[0][0] if found else None


@contextmanager
def watched(tell: Callable[[str, Any], None]) -> Iterator[None]:
    """Tell of each statement that runs meanwhile, with what its cursor was given."""
    # By the cursor's class: on `frappe.db` itself, undoing by pytest's monkeypatch leaves an attribute behind.
    cursor_class = type(frappe.db._cursor)
    execute = cursor_class.execute

    def tell_and_execute(cursor: Any, query: str, args: Any = None) -> Any:
        tell(query, args)
        return execute(cursor, query, args)

    cursor_class.execute = tell_and_execute
    try:
        yield
    finally:
        cursor_class.execute = execute


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements that run meanwhile on this connection, without those that only control the transaction."""
    seen: list[str] = []
    with watched(lambda query, _args: None if CONTROL.match(query.strip()) else seen.append(query)):
        yield seen


def plans(call: Callable[[], object], doctype: str) -> list[tuple[str, dict[str, Any]]]:
    """Each SELECT of a call that reads this DocType's table, with each step of its plan that reads it."""
    seen: list[tuple[str, Any]] = []
    with watched(lambda query, args: seen.append((query, args))):
        call()
    found = []
    for query, args in seen:
        if query.lstrip().upper().startswith("SELECT") and f"`tab{doctype}`" in query:
            found += [(query, step) for step in _steps(query, args) if step["table"] == f"tab{doctype}"]
    return found


def explain(query: QueryBuilder | Callable[[], object]) -> list[dict[str, Any]]:
    """The plan of a query builder query, or the plans of the SELECTs of a call."""
    if isinstance(query, QueryBuilder):
        return _steps(*query.walk())
    seen: list[tuple[str, Any]] = []
    with watched(lambda statement, args: seen.append((statement, args))):
        query()
    selects = [one for one in seen if one[0].lstrip().upper().startswith("SELECT")]
    return [step for statement, args in selects for step in _steps(statement, args)]


def _steps(query: str, args: Any) -> list[dict[str, Any]]:
    """Of a plan; the server says "41 (2%)" where it filters what an index finds by another."""
    steps = frappe.db.sql(f"EXPLAIN {query}", *([] if args is None else [args]), as_dict=True)
    return [{**step, "rows": str(step["rows"]).split()[0]} for step in steps]


def rows_read(query: QueryBuilder | Callable[[], object]) -> int:
    """How many rows and index entries the server reads to answer a query builder query, or a call's statements."""
    return rows_read_by(query.run if isinstance(query, QueryBuilder) else query)


def rows_read_by(call: Callable[[], object]) -> int:
    """How many rows and index entries the server reads for the statements of a call."""
    before = _reads()
    idle = _reads() - before  # what the question itself reads
    before = _reads()
    call()
    return _reads() - before - idle


def _reads() -> int:
    return sum(int(number) for _name, number in frappe.db.sql("SHOW SESSION STATUS LIKE 'Handler_read%'"))
