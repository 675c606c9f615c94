"""A small HTTP receiver for the demo's deliveries, which fails now and then, in the same way at each run."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

EVERY_THIRD = 3
TROUBLESOME = 5
KEY_HEADER = "Idempotency-Key"


class Answer(NamedTuple):
    status: int
    accept: bool
    """Whether the payload is taken, whatever the answer says."""
    retry_after: int | None = None


def answer(number: int, tries: int) -> Answer:
    """The answer to delivery `number` at its `tries`-th try (from 1)."""
    if number == TROUBLESOME and tries == 1:
        return Answer(500, accept=False)
    if number == TROUBLESOME and tries == 2:
        return Answer(500, accept=True)  # taken, but the sender can't know: it will send it again
    if number % EVERY_THIRD == 0 and tries == 1:
        return Answer(503, accept=False, retry_after=1)
    return Answer(200, accept=True)


def expected_failures(number: int) -> int:
    """How many tries of delivery `number` fail before one succeeds."""
    tries = 1
    while answer(number, tries).status >= 400:
        tries += 1
    return tries - 1


class Receiver:
    """Takes each idempotency key once, and remembers what came."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tries: Counter[str] = Counter()
        self.accepted: dict[str, int] = {}
        """Delivery number by idempotency key."""
        self.recognized: list[int] = []
        """Deliveries that came again after they had been accepted, and were not accepted twice."""
        self.without_key = 0
        self.url = ""

    def take(self, key: str | None, number: int) -> Answer:
        with self.lock:
            if not key:
                self.without_key += 1
                return Answer(400, accept=False)
            self.tries[key] += 1
            given = answer(number, self.tries[key])
            if given.accept:
                if key in self.accepted:
                    self.recognized.append(number)
                self.accepted.setdefault(key, number)
            return given

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Serve on a free port of the loopback address, in threads of this process."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}/deliveries"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="receiver", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


def _handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            given = receiver.take(self.headers.get(KEY_HEADER), body["number"])
            text = b"accepted" if given.status < 400 else b"out of order"
            self.send_response(given.status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(text)))
            if given.retry_after:
                self.send_header("Retry-After", str(given.retry_after))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments: object) -> None:
            """Keep quiet: the terminal belongs to the demo."""

    return Handler
