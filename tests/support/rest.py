"""Requests of REST, over HTTP and in this process."""

from __future__ import annotations

from typing import Any

import frappe
import requests

from dartwing_core.api import jobs
from dartwing_core.api.endpoints import ENDPOINTS

from . import database, factory, web_request
from .http import API, Client


def count() -> int:
    """How many jobs the organizations of the tests have."""
    return database.value("SELECT COUNT(*) FROM `tabBackground Job` WHERE organization LIKE 'Test %%'")


def submit(client: Client, **more: Any) -> requests.Response:
    """The answer to a submit of an echo_job of Test Alpha, with further arguments."""
    return client.post("submit_job", **{"job_type": "echo_job", "organization": factory.ALPHA, **more})


def ask(user: str, name: str, /, **sent: Any) -> Any:
    """The answer of an endpoint to a request of a user in this process. What the request has written is undone."""
    with web_request.made(ENDPOINTS[name].method, API + name, user):
        answer = getattr(jobs, name)(**sent)
    frappe.db.rollback()
    return answer
