"""The job center's page: its address, its parts, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.support import browser as browsers
from tests.support.browser import Visitor

if TYPE_CHECKING:
    from frappe.model.document import Document
    from playwright.sync_api import Locator, Page, Request

expect = browsers.sync_api.expect
PATH = "/job-center"
Visit = Callable[..., Visitor]
"""`visit(user, address, **options)` opens the page as this user."""


def card(page: Page, job: Document) -> Locator:
    """The card of a job in the list."""
    return page.locator(f'[data-job="{job.name}"]')


def pill(place: Page | Locator) -> Locator:
    """The status that a card or the details show."""
    return place.locator(".jc-pill")


def requests_of(page: Page) -> list[str]:
    """The calls of the API that the page makes from now on."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/api/method/" in request.url:
            asked.append(request.url)

    page.on("request", note)
    return asked


def with_socket(visitor: Visitor, address: str = PATH) -> None:
    """Give the page a socket in place of the website's own, and open it again at this address."""
    visitor.page.add_init_script("""
        const listeners = {};
        const on = (event, listener) => (listeners[event] ??= []).push(listener);
        window.tellEvent = (event, message) => (listeners[event] ?? []).forEach((listener) => listener(message));
        const realtime = { socket: { connected: true, on, connect() {} }, on, init() {} };
        document.addEventListener("DOMContentLoaded", () => Object.assign((window.frappe ??= {}), { realtime }));
    """)
    visitor.page.goto("about:blank")  # an address that differs only after its # would load nothing
    visitor.page.goto(address)
    expect(visitor.page.locator("#jc-connection")).to_have_text("Live")
    visitor.page.wait_for_load_state("networkidle")  # a connection asks for the list once more


def emit(page: Page, event: str, **message: Any) -> None:
    """Have the page's socket tell of an event, as Frappe's realtime server does."""
    page.evaluate("([event, message]) => window.tellEvent(event, message)", [event, message])
