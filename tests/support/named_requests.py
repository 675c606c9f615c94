"""Requests of Frappe's functions, with `$` in place of the name that is asked for."""

from __future__ import annotations

import json
from typing import Any

import requests

from tests.support.http import Client

JOB, RUN, LOG = "Background Job", "Background Job Run", "Job Execution Log"
TRACE = "a traceback of Alpha"
"""In an attempt, where only admins read it."""


def send(client: Client, verb: str, path: str, name: str, body: Any = None) -> requests.Response:
    """The answer to this request about `name`."""

    def filled(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("$", name))

    path = path.replace("$", name)
    return client.http.request(verb, client.url + path, json=None if body is None else filled(body), timeout=60)


def method(name: str, /, **body: Any) -> tuple[str, str, Any]:
    """A request that calls a function: verb, path and body."""
    return "POST", f"/api/method/{name}", body


def document(doctype: str, /, **fields: Any) -> dict[str, Any]:
    """A document to send."""
    return {"doctype": doctype, **fields}
