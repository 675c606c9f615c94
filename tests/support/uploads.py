"""Uploads over REST, as users and API clients make them."""

from __future__ import annotations

from typing import Any

import frappe
import requests

from . import factory
from .http import Client

PUBLIC, PRIVATE = {"is_private": 0}, {"is_private": 1}
OF_ALPHA = {"attached_to_doctype": "Organization", "attached_to_name": factory.ALPHA}


def made(client: Client, **values: Any) -> requests.Response:
    """The answer to a new File of these values, private by default."""
    return client.http.post(f"{client.url}/api/resource/File", json={"is_private": 1, **values}, timeout=60)


def changed(client: Client, name: str, **values: Any) -> requests.Response:
    """The answer to a change of a File."""
    return client.http.put(f"{client.url}/api/resource/File/{name}", json=values, timeout=60)


def uploaded(client: Client, content: str | None = None, **values: Any) -> dict[str, Any]:
    """A new File of this client's, by default with content that no other File has."""
    content = content or frappe.generate_hash()
    answer = made(client, **{"file_name": "test-own.txt", "content": content, **values})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def new_name(stem: str) -> str:
    """A file name that no broken-off run has left in the folder of published files."""
    return f"{stem}-{frappe.generate_hash(length=8)}.txt"


def read(client: Client, address: str) -> tuple[int, bytes]:
    """Status and content of the answer to a download."""
    answer = client.http.get(f"{client.url}{address}", timeout=60)
    return answer.status_code, answer.content
