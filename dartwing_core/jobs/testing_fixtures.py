"""pytest fixtures for apps that submit jobs.

`pytest_plugins = ["dartwing_core.jobs.testing_fixtures"]` in the `conftest.py` of an app's tests makes them known.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .testing import Trap, trap_jobs


@pytest.fixture
def trapped_jobs() -> Iterator[Trap]:
    """The jobs that the test submits."""
    with trap_jobs() as trap:
        yield trap
