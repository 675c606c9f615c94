from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import frappe
import pytest

from tests.support import http, processes


@pytest.fixture
def workers(site: None) -> Iterator[list[processes.Process]]:
    """Two genuine Frappe workers."""
    started = [processes.start_worker() for _number in range(2)]
    try:
        yield started
    finally:
        for worker in started:
            worker.stop()


@pytest.fixture
def fresh_limits(site: None) -> None:
    """Nobody has used up a limit of requests."""
    http.forget_limits()


@pytest.fixture
def published(site: None) -> Iterator[str]:
    """The path of a file that the site publishes."""
    path = Path(frappe.get_site_path("public", "files", "of-a-test.txt"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("for all")
    yield "files/of-a-test.txt"
    path.unlink()


@pytest.fixture
def redis_restarts(site: None) -> Iterator[Callable[[], None]]:
    """A function that starts Redis again; called at the latest when the test ends."""

    def restart() -> None:
        if not processes.redis_answers():
            processes.start_redis()

    yield restart
    restart()


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """The address of the running web app."""
    with processes.web_app() as url:
        yield url
