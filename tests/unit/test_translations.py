"""The template of translations holds every text there is."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("babel")
translations = pytest.importorskip("standalone.translations")

APP = Path(__file__).parents[2] / "dartwing_core"


def test_the_committed_template_is_current():
    # Renew it with: ./dev pot
    assert translations.committed() == set(translations.texts())


@pytest.mark.parametrize(
    "text",
    [
        "Job {0} is {1}; only a failed job can be retried.",  # Python
        "No live connection: the page is updated every few seconds.",  # JavaScript
        "Dead Letter",  # a choice of a field
        "Completed by Hour",  # of the workspace
        "Dead Letters by Error",  # a report
        "Job Circuit",  # a DocType
        "Log in",  # the job center
        "Seconds",  # a chart
    ],
)
def test_texts_of_every_kind_are_found(text):
    assert text in translations.committed()


def test_every_text_of_a_script_is_a_whole():
    """A text put together by the script can't be translated."""
    for path in (APP / "public" / "js").rglob("*.js"):
        assert "__(`" not in path.read_text(), path
