"""Headless Chromium on the pages of the site under test, driven by playwright."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from . import http

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="the tests of pages need playwright")

PASSWORD = "correct-horse-battery"
PHONE = {"width": 390, "height": 844}
EXPECTED_NOISE = (
    "Failed to load resource",
    "Error connecting to socket.io",
    "NotFoundError: Failed to execute 'removeChild' on 'Node': The node to be removed is not a child of this node.",
)
"""In the console: answers with an error status, which tests provoke, and bundles that the standalone site has not; that
no realtime server runs, of which Frappe 16 complains; and the end of an animation of Frappe's charts, where another one
has begun."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; Debian's, since playwright's own can't be had from a package registry."""
    from standalone import programs

    path = programs.chromium()
    if path is None:
        pytest.fail(
            "Chromium was not found. Install it (Debian, Ubuntu: apt-get install chromium), then run this again."
        )
    rules = f"--host-resolver-rules=MAP {os.environ['DW_SITE']} 127.0.0.1"
    # A page that a test hands out itself is of no network, and might not load files from this machine.
    checks = "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
    options = [rules, checks, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A user in a browser context of their own; `page` is their tab, `errors` what its console says."""

    def __init__(self, browser: Browser, url: str, user: str | None = None, host: str | None = None, **options: Any):
        self.url = f"http://{host or os.environ['DW_SITE']}:{urlsplit(url).port}"
        self._client = http.Client(url)
        self.context = browser.new_context(base_url=self.url, locale="en-US", **options)
        self.context.set_default_timeout(30_000)  # a loaded machine is slow, not wrong
        self.errors: list[str] = []
        if user:
            self.log_in(user)
        self.page = self.context.new_page()
        self.page.on("console", self._note_error)
        self.page.on("pageerror", lambda error: self._note(error.stack or str(error)))

    def _note_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(message.text)

    def _note(self, text: str) -> None:
        if not text.startswith(EXPECTED_NOISE):
            self.errors.append(text)

    def log_in(self, user: str) -> None:
        """Log in as this user, in place of whoever was."""
        http.set_password(user, PASSWORD)
        client = self._client
        client.http.cookies.clear()
        data = {"usr": user, "pwd": PASSWORD}
        answer = client.http.post(f"{client.url}/api/method/login", data=data, timeout=30)
        assert answer.status_code == 200, answer.text
        self.context.add_cookies([{"name": "sid", "value": client.http.cookies["sid"], "url": self.url}])

    def close(self) -> None:
        """Close the tab and the browser's context."""
        self.context.close()


@contextmanager
def visitors(browser: Browser, url: str, **options: Any) -> Iterator[Callable[..., Visitor]]:
    """A function that opens an address as a user. In the end all are closed, and their consoles were free of errors."""
    opened: list[Visitor] = []

    def open_page(user: str | None, address: str, **more: Any) -> Visitor:
        opened.append(Visitor(browser, url, user, **options, **more))
        opened[-1].page.goto(address)
        return opened[-1]

    yield open_page
    for visitor in opened:
        visitor.close()
    errors = [error for visitor in opened for error in visitor.errors]
    assert errors == [], "\n".join(errors)


def accessibility_faults(page: Page, part: str = ".job-center") -> list[str]:
    """What axe-core finds in a part of the page that is serious or critical, one line each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=part).response["violations"]
    return [
        f"{fault['id']} ({fault['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
