"""Steps of a batch that end as planned."""

from __future__ import annotations

import pytest

from dartwing_core.jobs import job
from tests.support import factory


@pytest.fixture
def step():
    """`step(key, *plan)`: a job that ends as planned."""
    job_type = factory.job_type("step", "scripted", max_retries=1)
    factory.job_type("told", "told")
    return lambda key, *plan, **more: job(job_type, {"plan": plan or ("ok",), "key": key}, key=key, **more)
