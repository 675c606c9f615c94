"""What many tests of a site begin with; processes start only for the tests that ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import frappe
import pytest

from tests.support import factory, http, processes


@pytest.fixture
def job_type(site) -> str:
    """A Job Type whose handler does next to nothing."""
    return factory.job_type("plain")


@pytest.fixture
def admin(site) -> str:
    """An admin of Test Alpha."""
    user = factory.user("ada", factory.ALPHA, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))
    frappe.db.commit()
    return user


@pytest.fixture
def frappes_jobs_at_once(monkeypatch) -> None:
    """What Frappe enqueues runs at once, such as the deletion of the comments of a deleted document."""
    monkeypatch.setattr(frappe, "enqueue", run_now)


def run_now(method: str, enqueue_after_commit: bool = False, now: bool = False, **arguments: Any) -> None:
    frappe.call(method, **arguments)


@pytest.fixture
def workers(site: None) -> Iterator[list[processes.Process]]:
    """Two genuine Frappe workers, which all tests share that ask for them."""
    yield processes.crew.call()
    processes.crew.rest()


@pytest.fixture
def fresh_limits(site: None) -> None:
    """Nobody has used up a limit of requests."""
    http.forget_limits()


@pytest.fixture
def client(web: str, alice: str, fresh_limits: None) -> http.Client:
    """REST as Alice calls it."""
    return http.Client(web).with_token(alice)


@pytest.fixture
def redis_restarts(site: None) -> Iterator[Callable[[], None]]:
    """A function that starts Redis again; called at the latest when the test ends."""

    def restart() -> None:
        if not processes.redis_answers():
            processes.start_redis()

    yield restart
    restart()
    processes.crew.end()  # their registrations are gone
