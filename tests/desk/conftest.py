"""A genuine Desk in a browser: the bench's own pages and bundles, and its realtime server, on ports of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import frappe
import pytest

from tests.support import browser as browsers
from tests.support import factory, http, processes
from tests.support.browser import Visitor
from tests.support.settings import site_configuration

browsers.sync_api.expect.set_options(timeout=20_000)  # Desk is big: a loaded machine takes long to show a page
HOST = "127.0.0.1"  # whatever the site's name is: the realtime server asks the web app by the page's own address
Visit = Callable[..., Visitor]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def browser(_connected: None) -> Iterator:
    with browsers.chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def realtime(_connected: None) -> Iterator[processes.Process]:
    """The realtime server; pages learn its port from the site's configuration."""
    port = processes.free_port()
    with site_configuration(socketio_port=port):
        process = processes.start_realtime(port)
        yield process
        process.stop()


@pytest.fixture(scope="session")
def web(realtime: processes.Process) -> Iterator[str]:
    """The web app, as `bench start` runs it: pages connect to the realtime server directly."""
    os.environ["DEV_SERVER"] = "1"
    try:
        process, url = processes.start_web()
    finally:
        del os.environ["DEV_SERVER"]
    yield url
    process.stop()


@pytest.fixture(autouse=True)
def limits_anew(site: None) -> None:
    http.forget_limits()


@pytest.fixture(autouse=True)
def lists_anew(site: None) -> None:
    """Desk keeps each user's filters, and saves them some time after they were chosen."""
    frappe.cache.delete_key("_user_settings")
    frappe.db.sql("DELETE FROM `__UserSettings` WHERE `user` LIKE 'test\\_%'")
    frappe.db.commit()


@pytest.fixture
def visit(browser, web) -> Iterator[Visit]:
    """A function that opens a page of Desk as a user; the console must stay free of errors."""
    with browsers.visitors(browser, web, host=HOST, viewport={"width": 1400, "height": 900}) as open_page:

        def open_live(user: str, address: str, **options) -> Visitor:
            visitor = open_page(user, address, **options)
            visitor.context.set_default_timeout(60_000)
            visitor.page.wait_for_function("window.frappe?.realtime?.socket?.connected")
            return visitor

        yield open_live


@pytest.fixture
def work(site: None) -> Iterator[Callable[[], None]]:
    """A function that starts a worker: once the page is there, which may take Desk some seconds."""
    started: list[processes.Process] = []
    yield lambda: started.append(processes.start_worker())
    for worker in started:
        worker.stop()


@pytest.fixture
def member(site: None) -> str:
    """A member of Test Alpha with Desk."""
    return factory.user("desk_member", factory.ALPHA)


@pytest.fixture
def admin(site: None) -> str:
    """An admin of Test Alpha with Desk."""
    return factory.user("desk_admin", factory.ALPHA, org_role="Admin", roles=("Dartwing User", "Dartwing Admin"))


@pytest.fixture
def manager(site: None) -> str:
    """A System Manager."""
    return factory.user("desk_manager", factory.ALPHA, roles=("System Manager", "Dartwing User"))
