"""Counts what is asked of MariaDB and Redis, on the wire: relays between the site's processes and the servers.

Nothing that asks can be missed or counted twice, whatever driver, thread or extra connection it uses, and no right
beyond the site's own is needed, as the server's general log would. Used for counting only, never while timing.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import frappe

from benchmarks import _site

QUERY = 0x03
REDIS_URLS = ("FRAPPE_REDIS_QUEUE", "FRAPPE_REDIS_CACHE")
CONTROL = re.compile(r"\s*(commit|rollback|start transaction|begin|savepoint|release savepoint)\b", re.IGNORECASE)
WRITE = re.compile(r"\s*(set statement .*? for\s+)?(insert|update|delete|replace)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """A statement, or a round trip to Redis: a pipeline is one, and so is one that waits for an entry."""

    connection: int
    text: str
    is_statement: bool

    @property
    def is_control(self) -> bool:
        """Whether it only opens or ends a transaction."""
        return bool(CONTROL.match(self.text))

    @property
    def short(self) -> str:
        """A line, without the settings that come along with a statement."""
        return re.sub(r"^SET STATEMENT .*? FOR ", "", " ".join(self.text.split()))[:120]

    @property
    def is_commit(self) -> bool:
        return self.text.strip().lower().startswith("commit")


@dataclass
class Count:
    """What was asked for a piece of work, in its order."""

    asked: list[Asked] = field(default_factory=list)

    @property
    def statements(self) -> list[Asked]:
        """All statements, also those that only open or end a transaction."""
        return [each for each in self.asked if each.is_statement]

    @property
    def work(self) -> list[Asked]:
        """The statements without those that only open or end a transaction."""
        return [each for each in self.statements if not each.is_control]

    @property
    def commits(self) -> list[Asked]:
        return [each for each in self.statements if each.is_commit]

    @property
    def writing_commits(self) -> list[Asked]:
        """Commits of transactions that wrote something: those for which the server waits for its disk."""
        dirty: set[int] = set()
        found = []
        for each in self.statements:
            if WRITE.match(each.text):
                dirty.add(each.connection)
            elif each.is_commit and each.connection in dirty:
                found.append(each)
                dirty.discard(each.connection)
        return found

    @property
    def round_trips(self) -> list[Asked]:
        return [each for each in self.asked if not each.is_statement]


class Wire:
    """What goes over all relays."""

    def __init__(self) -> None:
        self.seen: list[Asked] = []

    def take(self) -> Count:
        """What was asked since the last call."""
        seen, self.seen = self.seen, []
        return Count(seen)


class _Statements:
    """The statements of one connection to MariaDB."""

    def __init__(self, wire: Wire, number: int) -> None:
        self._wire, self._number, self._pending = wire, number, b""

    def ask(self, data: bytes) -> None:
        """Take whole packets off: three bytes of length, one of sequence (0 for a command), the payload."""
        data = self._pending + data
        while len(data) >= 4 and len(data) >= (end := 4 + int.from_bytes(data[:3], "little")):
            if data[3] == 0 and data[4:5] and data[4] == QUERY:
                self._wire.seen.append(Asked(self._number, data[5:end].decode(errors="replace"), is_statement=True))
            data = data[end:]
        self._pending = data

    def answer(self, _data: bytes) -> None:
        """A statement has been noted as it was asked."""


class _RoundTrips:
    """The round trips of one connection to Redis."""

    def __init__(self, wire: Wire, number: int) -> None:
        self._wire, self._number, self._is_asking = wire, number, False

    def ask(self, data: bytes) -> None:
        if not self._is_asking:
            self._is_asking = True
            words = [part.decode(errors="replace") for part in data.split(b"\r\n") if part[:1] not in (b"*", b"$")]
            self._wire.seen.append(Asked(self._number, " ".join(words), is_statement=False))

    def answer(self, _data: bytes) -> None:
        self._is_asking = False


class _Relay:
    """Listens on a free port of 127.0.0.1 and passes everything on to a server, in both directions."""

    def __init__(self, wire: Wire, kind: type[_Statements | _RoundTrips], host: str, port: int) -> None:
        self._wire, self._kind, self._server = wire, kind, (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        for number in itertools.count():
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            server, talk = socket.create_connection(self._server), self._kind(self._wire, number)
            for source, target, note in ((client, server, talk.ask), (server, client, talk.answer)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_pass_on, args=(source, target, note), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, note: Callable[[bytes], None]) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            note(data)
            target.sendall(data)
    target.close()


@contextmanager
def counted(*, here: bool = False) -> Iterator[Wire]:
    """Relays to MariaDB and both Redis for all workers started meanwhile; with `here`, for this process too."""
    conf, urls, wire = frappe.conf, {name: os.environ[name] for name in REDIS_URLS}, Wire()
    if conf.get("db_socket"):
        raise SystemExit("This site reaches MariaDB by a socket (db_socket); to count, it has to use db_host.")
    relays = [_Relay(wire, _Statements, conf.db_host or "127.0.0.1", int(conf.db_port or 3306))]
    for name, url in urls.items():
        server = urlsplit(url)
        relays.append(_Relay(wire, _RoundTrips, server.hostname or "127.0.0.1", server.port or 6379))
        os.environ[name] = server._replace(netloc=f"127.0.0.1:{relays[-1].port}").geturl()
    try:
        with _site.configured(db_host="127.0.0.1", db_port=relays[0].port):
            if here:
                _site.connect()
                frappe.db.sql("SELECT 1")  # Frappe opens its connection with the first statement
            yield wire
    finally:
        os.environ.update(urls)
        if here:
            _site.connect()
        for relay in relays:
            relay.close()
