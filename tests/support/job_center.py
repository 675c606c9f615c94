"""The job center's page: its address, its parts, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support import browser as browsers
from tests.support.browser import Visitor

expect = browsers.sync_api.expect
PATH = "/job-center"
Visit = Callable[..., Visitor]
"""`visit(user, address, **options)` opens the page as this user."""


def card(page: Any, job: Any) -> Any:
    """The card of a job in the list."""
    return page.locator(f'[data-job="{job.name}"]')


def pill(place: Any) -> Any:
    """The status that a card or the details show."""
    return place.locator(".jc-pill")


def requests_of(page: Any) -> list[str]:
    """The calls of the API that the page makes from now on."""
    asked: list[str] = []
    page.on("request", lambda request: "/api/method/" in request.url and asked.append(request.url))
    return asked
