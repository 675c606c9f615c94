"""Connects tests to the site under test. Tests in tests/unit need no site and get none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

from tests.support import factory
from tests.support.settings import site_configuration

# A loaded machine is slow, not wrong.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")

collect_ignore = [] if os.environ.get("DW_DESK") else ["desk"]
"""Desk is tested where there is one: `./dev test --bench PATH --site NAME --desk`."""

SITE_CONFIGURATION = {
    "background_job_handlers": [*(factory.HANDLERS, factory.FAULTS, factory.REMAINS, factory.TYPED, factory.TENANTS)],
    "throttle_user_limit": 100_000,  # Frappe refuses more than 60 new users an hour
}
"""What the site under test is told for the time of the tests."""


LIVE = {"browser", "fleet", "layout", "machines", "redis_restarts", "web", "worker", "workers"}
"""Fixtures that start processes. Tests of tests/site that ask for one are marked `live`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="reliability tests in full size (about an hour)")


@pytest.fixture
def size(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """`size(usual, full)`: how many rounds a reliability test makes."""
    is_full = request.config.getoption("--full")
    return lambda usual, full: full if is_full else usual


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--full"):
        left_out = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("full")]
    items.sort(key=lambda item: "workers" in item.fixturenames)  # the other tests have no workers beside them
    for item in items:
        folder = Path(item.path).relative_to(Path(__file__).parent).parts[0]
        if folder != "unit":
            item.fixturenames.insert(0, "site")
        if folder == "site" and LIVE & set(item.fixturenames):
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def _connected() -> Iterator[None]:
    with site_configuration(**SITE_CONFIGURATION), _session():
        yield


@contextmanager
def _session() -> Iterator[None]:
    import frappe
    from frappe.utils.password import get_encryption_key

    from tests.support import processes

    frappe.init(os.environ["DW_SITE"], sites_path=os.environ["DW_SITES_PATH"])
    frappe.connect()
    frappe.flags.in_test = True
    get_encryption_key()  # makes the site's, if it has none: the web process would make another one
    factory.user("keeper", roles=("System Manager",))  # Frappe gives the role to the first user, if nobody has it
    frappe.db.commit()
    try:
        yield
    finally:
        processes.crew.end()
        processes.queue_client().flushdb()
        factory.wipe()
        frappe.destroy()
        processes.stop_restarted()


@pytest.fixture
def site(_connected: None) -> Iterator[None]:
    """A site with the organizations Test Alpha and Test Beta, no test jobs, and Administrator logged in."""
    import frappe

    from dartwing_core.jobs.lib import connection
    from dartwing_core.jobs.rq import redis_queue
    from tests.support import processes

    processes.empty_queues()  # first: Frappe deletes no document while a queue is long
    factory.wipe()
    factory.dismiss()
    processes.empty_queues()
    redis_queue.availability.away_until = 0
    factory.organization(factory.ALPHA)
    factory.organization(factory.BETA)
    frappe.db.commit()
    frappe.clear_messages()
    try:
        yield
    finally:
        frappe.set_user("Administrator")
        connection.discard()


@pytest.fixture(scope="session")
def web(_connected: None) -> Iterator[str]:
    """The address of the web application, which starts with the first test that asks for it."""
    from tests.support import processes

    with processes.web_app() as url:
        yield url


@pytest.fixture
def no_sweeps(site: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sweeps of their own accord: what is seen then is done by the straight way alone."""
    from dartwing_core.jobs.sweep import agent

    monkeypatch.setattr(agent, "sweep_if_overdue", lambda: None)


@pytest.fixture
def alice() -> str:
    """A member of Test Alpha."""
    return _member("alice", factory.ALPHA)


@pytest.fixture
def bob() -> str:
    """A member of Test Beta."""
    return _member("bob", factory.BETA)


def _member(name: str, organization: str) -> str:
    import frappe

    user = factory.user(name, organization)
    frappe.db.commit()
    return user


@pytest.fixture(scope="module")
def _record_doctypes(_connected: None) -> Iterator[None]:
    from tests.support import records

    records.make_doctypes()
    yield
    records.remove_doctypes()


@pytest.fixture
def record_doctypes(_record_doctypes: None) -> Iterator[None]:
    """The DocTypes of tests/support/records, without records."""
    from tests.support import records

    records.clean()
    yield
    records.clean()
