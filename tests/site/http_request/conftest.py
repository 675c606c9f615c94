"""A server that receives, at an address that is private and allowed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.outgoing import allow_private
from tests.support.receiver import Receiver


@pytest.fixture(autouse=True)
def _private_addresses_allowed(site: None) -> Iterator[None]:
    allow_private(1)
    yield
    allow_private(0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()
