"""Submits over REST, as clients make them."""

from __future__ import annotations

from typing import Any

import requests

from . import database, factory
from .http import Client


def count() -> int:
    """How many jobs the organizations of the tests have."""
    return database.value("SELECT COUNT(*) FROM `tabBackground Job` WHERE organization LIKE 'Test %%'")


def submit(client: Client, **more: Any) -> requests.Response:
    """The answer to a submit of an echo_job of Test Alpha, with further arguments."""
    return client.post("submit_job", **{"job_type": "echo_job", "organization": factory.ALPHA, **more})
