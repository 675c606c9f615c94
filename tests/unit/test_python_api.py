"""The reference of the Python API holds what the docstrings say."""

from __future__ import annotations

import pytest

from dartwing_core import jobs
from standalone import python_api


def test_the_committed_reference_is_current():
    # Renew it with: ./dev api
    assert python_api.DOCUMENT.read_text() == python_api.reference()


@pytest.mark.parametrize(
    "shown",
    [
        "### submit_job",
        "    available_at: datetime | timedelta | str | float | None = None,",
        "#### JobContext.checkpoint",
        "#### Batch.submit",
        "### DuplicateJobError",
        '`DEAD_LETTER` = "Dead Letter"',
        "### run_jobs",
    ],
)
def test_functions_methods_errors_and_states_are_shown(shown):
    assert shown in python_api.reference()


def test_a_public_name_without_a_section_is_an_error(monkeypatch):
    monkeypatch.setattr(jobs, "__all__", [*jobs.__all__, "new_name"])
    with pytest.raises(ValueError, match="new_name"):
        python_api.reference()


def test_every_public_name_has_a_docstring():
    for section in python_api.reference().split("\n### ")[1:]:
        lines = [line for line in section.split("\n")[1:] if line and not line.startswith(("    ", "Subclass of"))]
        assert lines, section
