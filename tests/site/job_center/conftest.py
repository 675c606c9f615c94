"""The page in a browser, a member of Test Alpha, and jobs that seem to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from dartwing_core.jobs.job import runs
from tests.support import attempts, factory, http, processes
from tests.support.jobs import submitted_by
from tests.support.sessions import committed

if TYPE_CHECKING:  # the tests are skipped if there is no playwright, which is no error of this file
    from tests.support.job_center import Visit


@pytest.fixture(scope="package")
def browser(_connected: None) -> Iterator:
    from tests.support import browser

    with browser.chromium() as opened:
        yield opened


@pytest.fixture(autouse=True)
def limits_anew(site: None) -> None:
    http.forget_limits()


@pytest.fixture
def visit(browser, web) -> Iterator[Visit]:
    """A function that opens the page as a user; the console must stay free of errors."""
    from tests.support.browser import visitors
    from tests.support.job_center import PATH

    with visitors(browser, web) as open_page:
        yield lambda user, address=PATH, **options: open_page(user, address, **options)


@pytest.fixture
def worker(site: None) -> Iterator[None]:
    started = processes.start_worker()
    yield
    started.stop()


@pytest.fixture
def portal_user() -> str:
    """A member of Test Alpha without any role."""
    return factory.user("pat", factory.ALPHA, roles=())


@pytest.fixture
def running(portal_user) -> Callable[..., object]:
    """A function that makes a job which a worker seems to be running; called again with it, it tells more progress."""

    def tell(job=None, **values):
        if job is None:
            job = submitted_by(portal_user, factory.job_type("plain", display_name="Monthly report"))
            attempts.taken(job.name, 1)
        row = {"background_job": job.name, "attempt": 1, "lease_expires_epoch": 2**31, **values}
        committed(runs.write, f"{job.name}-1", row)
        return job

    return tell
