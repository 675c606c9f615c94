"""Keeps what a handler leaves behind from the next job of its process.

Frappe's context is put back to what it was before. The database session gets a new connection, if the handler has
issued a statement that may outlast its transaction. `process_state` covers the rest of the process.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import frappe

CALLBACKS = ("before_commit", "after_commit", "before_rollback", "after_rollback")
NEEDED = ("db", "conf", "flags", "session", "lang", "form_dict", "response", "message_log", "error_log", "debug_log")
"""Attributes without which Frappe does not work."""
NESTED = ("flags", "conf")
"""Attributes of `frappe.local` with nested dicts and lists that a handler may change."""
LONGEST_READ = 100_000
OF_CONNECTION = frozenset({"_conn", "_cursor", "last_query", "last_result", "transaction_writes"})
"""Attributes of Frappe's database object that belong to its connection and its transaction."""
LASTING_CALLS = ("autocommit", "select_db", "set_charset", "set_character_set", "change_user")
"""Methods of a driver's connection that change its session without a statement."""
_PASSING = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|BEGIN|"
    r"START|SET STATEMENT)\b",
    re.IGNORECASE,
)
_LASTING = re.compile(
    r"LAST_INSERT_ID\s*\(\s*[^)\s]|:=|\bINTO\s+@|\bGET_LOCK\b|\bTEMPORARY\b|\bLOCK\s+TABLES\b|\bNOT\s+ATOMIC\b",
    re.IGNORECASE,
)


class Site:
    """The site on which a handler is called, and the way back to it after any change of Frappe's context."""

    def __init__(self) -> None:
        self._name, self._path, self._user = frappe.local.site, frappe.local.sites_path, frappe.session.user
        self._before = {name: getattr(frappe.local, name) for name in NEEDED}
        self._cache_reads = _cache_reads()

    def restore_user_and_site(self) -> None:
        """Begin anew if the handler has ended Frappe's context or gone to another site. Put back what is missing.

        Frappe 16 caches meta, hooks and defaults as objects of the process, which a handler may have changed. They are
        read anew if the handler has read any of them.
        """
        if _cache_reads() != self._cache_reads:
            frappe.client_cache.clear_cache()
        local = frappe.local
        if not getattr(local, "initialised", None) or getattr(local, "site", None) != self._name:
            with suppress(Exception):
                frappe.destroy()
            frappe.init(self._name, sites_path=self._path, force=True)
            frappe.connect(set_admin_as_user=False)
            frappe.set_user(self._user)
        for name, value in self._before.items():
            if getattr(local, name, None) is None:
                setattr(local, name, value)
        if getattr(local, "system_settings", "") is None:
            del local.system_settings
        if local.db is not self._before["db"]:
            with suppress(Exception):
                self._before["db"].close()  # its transaction would hold its locks as long as it is referred to


def _cache_reads() -> tuple[int, int] | None:
    """How often Frappe's cache of the process was read. None on Frappe 15, which has no such cache."""
    cache = getattr(frappe, "client_cache", None)
    return (cache.hits, cache.misses) if cache else None


class Context:
    """Frappe's context at one moment, and the way back: all of `frappe.local`, with the content of lists and dicts."""

    def __init__(self, *, keeps_caches: bool) -> None:
        """`keeps_caches`: the caches hold no user's data now, and are not outdated soon."""
        self._user, self._keeps_caches = frappe.session.user, keeps_caches
        self._before, seen = _locals(), set[int]()
        self._contents = [
            pair for name, value in self._before.items() for pair in _containers(value, name in NESTED, seen)
        ]
        self._remember_database()
        self._forget()

    def follow_database(self) -> None:
        """Remember Frappe's database object anew if a reconnect has replaced it."""
        if frappe.local.db is not self._database:
            self._remember_database()

    def _remember_database(self) -> None:
        """Remember Frappe's database object as it is now, to put it back later."""
        self._database = frappe.local.db
        self._of_database = {name: value for name, value in vars(self._database).items() if name not in OF_CONNECTION}

    def restore(self) -> None:
        """Put back all that the handler has added, changed or replaced."""
        frappe.set_user(self._user)  # this also empties Frappe's caches of a user
        for name in _locals().keys() - self._before.keys():
            delattr(frappe.local, name)
        now = _locals()
        for name, value in self._before.items():
            if name != "db" and (name not in now or now[name] is not value):
                setattr(frappe.local, name, value)
        for value, content in self._contents:
            _refill(value, content)
        self._restore_database()
        self._forget()
        for name in CALLBACKS:
            getattr(frappe.db, name).reset()

    def _restore_database(self) -> None:
        if frappe.local.db is self._database:
            for name in vars(self._database).keys() - self._of_database.keys() - OF_CONNECTION:
                delattr(self._database, name)
            vars(self._database).update(self._of_database)

    def _forget(self) -> None:
        frappe.db.value_cache.clear()
        if not self._keeps_caches:
            frappe.local.cache = {}
        if hasattr(frappe.local, "request_cache"):  # Frappe 15 makes it on demand
            frappe.local.request_cache.clear()
        if hasattr(frappe.local, "system_settings"):
            del frappe.local.system_settings


@contextmanager
def cleared() -> Iterator[None]:
    """Run one attempt in a process that goes on with other work. Afterwards the context is what it was before."""
    context = Context(keeps_caches=False)
    try:
        yield
    finally:
        context.restore()


def _locals() -> dict[str, Any]:
    return dict(frappe.local)


def _containers(value: Any, is_nested: bool, seen: set[int]) -> Iterator[tuple[Any, Any]]:
    """A dict or list, and a copy of its content. With `is_nested`, also those in it."""
    if not isinstance(value, dict | list) or id(value) in seen:
        return
    seen.add(id(value))
    yield value, copy.copy(value)
    if is_nested:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner, True, seen)


def _refill(value: Any, content: Any) -> None:
    """Put content back without comparing: values that a handler has left may not be comparable."""
    value.clear()
    if isinstance(value, dict):
        value.update(content)
    else:
        value.extend(content)


class Session:
    """Watches whether statements may change the database session beyond their transaction."""

    def __init__(self) -> None:
        self.is_changed = False
        self.is_used = False
        """Whether any statement was issued."""
        self.is_renewed = False
        """Whether the session is a new one, in which no statement was issued."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch while a handler runs. All statements pass through the driver's connection."""
        watched = frappe.db._conn
        if watched is None:
            self.is_used = self.is_changed = True
            yield
            return
        query: Callable[..., Any] = watched.query

        def look_and_query(statement: Any, *arguments: Any, **options: Any) -> Any:
            self.is_used = True
            text = statement.decode("utf-8", "replace") if isinstance(statement, bytes | bytearray) else statement
            # Reading a long text takes longer than a new session.
            if len(text) > LONGEST_READ or not _PASSING.match(text) or _LASTING.search(text):
                self.is_changed = True
            return query(statement, *arguments, **options)

        before = {"query": query, **{name: getattr(watched, name) for name in LASTING_CALLS if hasattr(watched, name)}}
        converters = _converters(watched)
        watched.query = look_and_query
        for name in before.keys() - {"query"}:
            setattr(watched, name, self._noting(before[name]))
        try:
            yield
        finally:
            for name, method in before.items():
                setattr(watched, name, method)  # MySQLdb does not let attributes of a connection be deleted
            self.is_changed = self.is_changed or _converters(watched) != converters
            if frappe.db._conn is not watched:
                with suppress(Exception):
                    watched.close()  # the handler has opened another connection; this one would keep its locks

    def _noting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def note_and_call(*arguments: Any, **options: Any) -> Any:
            self.is_used = self.is_changed = True
            return call(*arguments, **options)

        return note_and_call


def _converters(connection: Any) -> list[dict[Any, Any]]:
    """How the driver converts the server's values to Python's, and back."""
    found = (getattr(connection, name, None) for name in ("decoders", "encoders", "converter"))
    return [dict(converter) for converter in found if converter]
