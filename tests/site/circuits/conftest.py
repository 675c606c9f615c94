"""A Job Type with a circuit breaker, and the engine's time."""

from __future__ import annotations

import pytest

from tests.support.circuits import Times, breaking_type


@pytest.fixture
def times(monkeypatch) -> Times:
    return Times(monkeypatch)


@pytest.fixture
def job_type(site) -> str:
    return breaking_type()
