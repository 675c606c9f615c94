"""What the site tells its socket.io server, read where that server reads it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import frappe
from frappe.model.document import Document

from . import processes


@dataclass
class Heard:
    """Events of this site, in their order: (event, room, message)."""

    messages: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def of(self, job: Document, event: str, room: str) -> list[dict[str, Any]]:
        """The messages of one job to one room."""
        found = [message for name, to, message in list(self.messages) if (name, to) == (event, room)]
        return [message for message in found if message["job_id"] == job.name]


@contextlib.contextmanager
def listening() -> Iterator[Heard]:
    """Listen while entered; what was published before the end is heard."""
    subscription = processes.queue_client().pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    subscription.subscribe("events")
    subscription.get_message(timeout=5)  # subscribed by now
    heard, site, is_over = Heard(), frappe.local.site, threading.Event()

    def listen() -> None:
        while (message := subscription.get_message(timeout=0.2)) or not is_over.is_set():
            payload = json.loads(message["data"]) if message else {}
            if payload.get("namespace") == site:
                heard.messages.append((payload["event"], payload["room"], payload["message"]))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
    finally:
        is_over.set()
        thread.join(10)
        subscription.close()
