"""A class as a handler: its methods run, clean up and hear of dead letters, each on an instance of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dartwing_core.jobs import InvalidJobError, JobContext, UnknownHandlerError, get_job_status
from dartwing_core.jobs.testing import run_jobs
from dartwing_core.jobs.types import handlers
from tests.support import factory
from tests.support import handler_classes as own
from tests.support.handler_classes import SendStatement
from tests.support.registry import types_of
from tests.support.sessions import committed

pytestmark = pytest.mark.usefixtures("no_sweeps")

NAME, PATH = "test_class_statement", f"{own.__name__}.SendStatement"


@pytest.fixture(autouse=True)
def _types(site, monkeypatch) -> Iterator[None]:
    own.HEARD.clear()
    own.CLEANED.clear()
    with types_of(own, monkeypatch):
        yield


def ended(**parameters) -> tuple[str, dict]:
    job = committed(SendStatement.submit, factory.ALPHA, **parameters)
    run_jobs()
    return job.name, get_job_status(job.name)


def test_each_job_has_an_instance_of_its_own_and_typed_parameters():
    # Seen failing: a class was refused, since a handler must be a function.
    for customer in ("Ann", "Bea"):
        _name, done = ended(customer=customer)
        assert done["result"] == {"lines": [customer], "user": "Administrator"}, done["error_message"]
    with pytest.raises(InvalidJobError, match="customr is unknown: did you mean customer"):
        SendStatement.submit(factory.ALPHA, customr="Ann")


def test_its_method_hears_of_a_dead_letter_and_of_nothing_else():
    ended(customer="Ann")
    assert own.HEARD == []
    name, done = ended(customer="Bea", then="fail")
    told = {"job_id": name, "job_type": NAME, "organization": done["organization"], "owner_user": "Administrator"}
    assert [("dead_letter", {**told, "user": "Administrator"})] == own.HEARD


def test_its_method_cleans_up_after_the_time_limit(monkeypatch):
    monkeypatch.setattr(JobContext, "remaining_seconds", lambda _self: 0.0)
    name, done = ended(customer="Ann")
    assert done["status"] == "Dead Letter"
    assert [f"{name} Ann end []"] == own.CLEANED


def test_methods_that_are_no_handlers_are_not_found():
    for path in (f"{PATH}.__init__", f"{PATH}.lines", f"{own.__name__}.Missing.run", f"{own.__name__}.HEARD.append"):
        with pytest.raises(UnknownHandlerError):
            handlers.resolve(path)
