from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import processes


@pytest.fixture
def workers(site: None) -> Iterator[list[processes.Process]]:
    """Two genuine Frappe workers."""
    started = [processes.start_worker() for _number in range(2)]
    try:
        yield started
    finally:
        for worker in started:
            worker.stop()


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """The address of the running web app."""
    process, url = processes.start_web()
    try:
        yield url
    finally:
        process.stop()
