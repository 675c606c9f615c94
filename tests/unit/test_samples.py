"""The sample handlers that show how jobs fail."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dartwing_core.handlers.samples import SampleParameters, sample_job
from dartwing_core.jobs import TransientError


def attempt(number: int, **parameters: Any) -> dict[str, Any]:
    given = SampleParameters(**{"duration": 0, "fail_type": "transient", **parameters})
    return sample_job(SimpleNamespace(attempt=number, update_progress=lambda *_: None), given)


@pytest.mark.parametrize("parameters", [{}, {"fail_attempts": None}])
def test_all_attempts_fail_unless_a_number_says_how_many(parameters):
    # Seen failing: TypeError for None, which the declared type allows.
    with pytest.raises(TransientError, match="as asked"):
        attempt(7, **parameters)


def test_so_many_attempts_fail():
    with pytest.raises(TransientError, match="as asked"):
        attempt(2, fail_attempts=2)
    assert attempt(3, fail_attempts=2)["attempt"] == 3
