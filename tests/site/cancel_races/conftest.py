"""A handler that is a function of its test."""

from __future__ import annotations

import pytest

from tests.support import factory, handlers


@pytest.fixture
def handled(monkeypatch):
    """Give the jobs of a type a handler: a function of its test."""

    def make(function):
        monkeypatch.setattr(handlers, "nothing", handlers.job_handler(function))
        return factory.job_type("handled", "nothing")

    return make
