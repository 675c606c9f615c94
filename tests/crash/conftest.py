from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fleet import Fleet
from tests.support.settings import settings


@pytest.fixture
def fleet(site: None) -> Iterator[Fleet]:
    """Workers that can be killed, and the agent; a lost worker is noticed after five seconds."""
    with settings(lease_seconds=5), Fleet() as crew:
        yield crew
