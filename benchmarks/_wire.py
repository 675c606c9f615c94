"""Counts what is asked of MariaDB, on the wire: a relay between the site's processes and the server.

Nothing that asks can be missed or counted twice, whatever driver, thread or extra connection it uses, and no right
beyond the site's own is needed, as the server's general log would. Used for counting only, never while timing.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import frappe

from benchmarks import _site

QUERY = 0x03
REDIS_URLS = ("FRAPPE_REDIS_QUEUE", "FRAPPE_REDIS_CACHE")
CONTROL = re.compile(r"\s*(commit|rollback|start transaction|begin|savepoint|release savepoint)\b", re.IGNORECASE)
WRITE = re.compile(r"\s*(set statement .*? for\s+)?(insert|update|delete|replace)\b", re.IGNORECASE | re.DOTALL)


@dataclass
class Statement:
    """One statement of one connection."""

    connection: int
    text: str

    @property
    def is_control(self) -> bool:
        """Whether it only opens or ends a transaction."""
        return bool(CONTROL.match(self.text))

    @property
    def is_commit(self) -> bool:
        return self.text.strip().lower().startswith("commit")

    @property
    def is_write(self) -> bool:
        return bool(WRITE.match(self.text))


@dataclass
class Count:
    """The statements of a piece of work."""

    statements: list[Statement] = field(default_factory=list)

    @property
    def work(self) -> list[str]:
        """The statements without those that only open or end a transaction."""
        return [statement.text for statement in self.statements if not statement.is_control]

    @property
    def commits(self) -> int:
        return sum(statement.is_commit for statement in self.statements)

    @property
    def writing_commits(self) -> int:
        """Commits of transactions that wrote something: those for which the server waits for its disk."""
        dirty: set[int] = set()
        number = 0
        for statement in self.statements:
            if statement.is_write:
                dirty.add(statement.connection)
            elif statement.is_commit and statement.connection in dirty:
                number += 1
                dirty.discard(statement.connection)
        return number


class _Listener(ABC):
    """Listens on a free port of 127.0.0.1 and passes everything on to a server."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pass_on(client, server)

    @abstractmethod
    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on in both directions, until one end closes."""


class Relay(_Listener):
    """To MariaDB: it notes each statement."""

    def __init__(self, host: str, port: int) -> None:
        self.seen: list[Statement] = []
        self.opened = 0
        super().__init__(host, port)

    def take(self) -> Count:
        """The statements since the last call."""
        seen, self.seen = self.seen, []
        return Count(seen)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        self.opened += 1
        threading.Thread(target=self._to_server, args=(client, server, self.opened), daemon=True).start()
        threading.Thread(target=_copy, args=(server, client), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, number: int) -> None:
        pending = b""
        while data := _receive(client):
            pending = self._note(pending + data, number)
            server.sendall(data)
        server.close()

    def _note(self, data: bytes, number: int) -> bytes:
        """Take whole packets off: three bytes of length, one of sequence (0 for a command), the payload."""
        while len(data) >= 4 and len(data) >= (end := 4 + int.from_bytes(data[:3], "little")):
            if data[3] == 0 and data[4:5] and data[4] == QUERY:
                self.seen.append(Statement(number, data[5:end].decode(errors="replace")))
            data = data[end:]
        return data


def _copy(source: socket.socket, target: socket.socket) -> None:
    while data := _receive(source):
        target.sendall(data)
    target.close()


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""


class RedisRelay(_Listener):
    """To Redis: it counts round trips. A pipeline is one, and so is one that waits for an entry."""

    def __init__(self, host: str, port: int) -> None:
        self.round_trips = 0
        self._lock = threading.Lock()
        super().__init__(host, port)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        is_asking = threading.Event()
        threading.Thread(target=self._ask, args=(client, server, is_asking), daemon=True).start()
        threading.Thread(target=self._answer, args=(server, client, is_asking), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, is_asking: threading.Event) -> None:
        while data := _receive(client):
            if not is_asking.is_set():
                is_asking.set()
                with self._lock:
                    self.round_trips += 1
            server.sendall(data)
        server.close()

    def _answer(self, server: socket.socket, client: socket.socket, is_asking: threading.Event) -> None:
        while data := _receive(server):
            is_asking.clear()
            client.sendall(data)
        client.close()


@contextmanager
def workers_counted() -> Iterator[tuple[Relay, list[RedisRelay]]]:
    """Relays to MariaDB and to both Redis for all workers started meanwhile. This process goes round the first."""
    conf, urls = frappe.conf, {name: os.environ[name] for name in REDIS_URLS}
    _refuse_socket(conf)
    relay = Relay(conf.db_host or "127.0.0.1", int(conf.db_port or 3306))
    servers = {name: urlsplit(url) for name, url in urls.items()}
    redis = {name: RedisRelay(url.hostname or "127.0.0.1", url.port or 6379) for name, url in servers.items()}
    for name, url in servers.items():
        os.environ[name] = url._replace(netloc=f"127.0.0.1:{redis[name].port}").geturl()
    try:
        with _site.configured(db_host="127.0.0.1", db_port=relay.port):
            yield relay, list(redis.values())
    finally:
        os.environ.update(urls)
        for each in (relay, *redis.values()):
            each.close()


def _refuse_socket(conf: Any) -> None:
    if conf.get("db_socket"):
        raise SystemExit("This site reaches MariaDB by a socket (db_socket); to count, it has to use db_host.")


@contextmanager
def counted() -> Iterator[Relay]:
    """A relay that this process and all workers started meanwhile go through."""
    conf = frappe.conf
    _refuse_socket(conf)
    relay = Relay(conf.db_host or "127.0.0.1", int(conf.db_port or 3306))
    try:
        with _site.configured(db_host="127.0.0.1", db_port=relay.port):
            _site.connect()
            frappe.db.sql("SELECT 1")  # Frappe opens its connection with the first statement
            yield relay
    finally:
        _site.connect()
        relay.close()
