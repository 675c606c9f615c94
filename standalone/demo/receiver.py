"""A small HTTP server for the demo's deliveries, which fails now and then, in the same way at each run."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .scene import failures_of


class Receiver:
    """Takes each idempotency key once, and remembers what came."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.tries: Counter[str] = Counter()
        self.accepted: dict[str, int] = {}
        """Number of a delivery by its idempotency key."""
        self.repeated: list[int] = []
        """Deliveries that came again after they had been accepted."""
        self.url = ""

    def take(self, key: str, number: int) -> int:
        """The HTTP status for a delivery. Of number 5 the second try is accepted, but its answer gets lost."""
        with self.lock:
            self.tries[key] += 1
            fails = self.tries[key] <= failures_of(number)
            if not fails or self.tries[key] == 2:
                if key in self.accepted:
                    self.repeated.append(number)
                self.accepted[key] = number
            return 503 if fails else 200

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Serve on a free port of the loopback address, in threads of this process."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{server.server_port}/deliveries"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


def _handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(receiver.take(self.headers["Idempotency-Key"], body["number"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Keep quiet: the terminal belongs to the demo."""

    return Handler
