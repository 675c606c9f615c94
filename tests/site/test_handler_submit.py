"""A handler that declares its Job Type submits jobs of it, with its own arguments."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import frappe
import pytest

from dartwing_core.jobs import InvalidJobError, chain, job, submit_batch
from tests.support import contents, factory
from tests.support import submitting_handlers as own
from tests.support.jobs import run
from tests.support.registry import types_of
from tests.support.sessions import committed
from tests.support.typed_handlers import Line, Payment, Statement

pytestmark = pytest.mark.usefixtures("no_sweeps")

JANUARY = date(2026, 1, 31)


@pytest.fixture(autouse=True)
def _types(site, monkeypatch) -> Iterator[None]:
    with types_of(own, monkeypatch):
        yield


def result_of(job: Any) -> dict[str, Any]:
    frappe.db.commit()
    done = run(job)
    assert done["status"] == "Completed", done["error_message"]
    return done["result"]


def test_arguments_of_the_handler_are_the_parameters():
    by_name = own.dated.submit(factory.ALPHA, customer="C-1", since=JANUARY)
    assert result_of(by_name) == {"customer": "C-1", "year": 2026, "copies": 1}
    by_position = own.dated.submit(factory.ALPHA, "C-1", JANUARY, copies=3)
    assert result_of(by_position) == {"customer": "C-1", "year": 2026, "copies": 3}


def test_one_object_holds_all_parameters():
    statement = Statement("C-1", JANUARY, lines=[Line("A", 2)])
    for given in ({"args": (statement,)}, {"parameters": statement}):
        job = own.whole.submit(factory.ALPHA, *given.pop("args", ()), **given)
        assert result_of(job) == {"customer": "C-1", "items": ["A"]}
    assert result_of(own.model.submit(factory.ALPHA, Payment(amount=Decimal("12.5")))) == {"cents": 1250}


def test_a_handler_that_declares_no_parameters_takes_any():
    assert result_of(own.untyped.submit(factory.ALPHA, text="a", day=JANUARY)) == {
        "got": {"text": "a", "day": "2026-01-31"}
    }
    assert result_of(own.untyped.submit(factory.ALPHA, {"text": "b"})) == {"got": {"text": "b"}}
    assert result_of(own.untyped.submit(factory.ALPHA)) == {"got": {}}


def test_the_organization_may_be_named():
    # Seen failing: "organization is missing".
    job = own.dated.submit(customer="C-1", since=JANUARY, organization=factory.ALPHA)
    assert (job.organization, result_of(job)["customer"]) == (factory.ALPHA, "C-1")
    own_parameter = own.of_branch.submit(factory.ALPHA, organization="North")
    assert result_of(own_parameter) == {"branch": "North"}


def test_a_callback_gets_its_batch_if_its_handler_takes_it():
    # Seen failing: "batch_id is unknown", which nobody had written.
    def callback(part):
        made = committed(submit_batch, factory.ALPHA, [], on_success=part)
        name = frappe.db.get_value("Background Job", {"callback_of": made.name})
        return contents.parameters(name), made.name

    assert callback(own.dated.job(customer="C", since=JANUARY))[0] == {"customer": "C", "since": "2026-01-31"}
    given, batch = callback(own.untyped.job(text="a"))
    assert given == {"text": "a", "batch_id": batch}


def test_parameters_as_one_dict_are_refused_with_advice():
    # Seen failing: "customer must be text".
    with pytest.raises(TypeError, match="dated: pass parameters by name, such as customer=…"):
        own.dated.submit(factory.ALPHA, {"customer": "C-1", "since": "2026-01-31"})


def test_wrong_arguments_are_named_as_for_each_submit():
    with pytest.raises(InvalidJobError, match="custmer is unknown: did you mean customer"):
        own.dated.submit(factory.ALPHA, custmer="C", since=JANUARY)
    with pytest.raises(InvalidJobError, match="copies must be a whole number"):
        own.dated.submit(factory.ALPHA, customer="C", since=JANUARY, copies="3")
    with pytest.raises(TypeError, match="dated takes at most 3 parameters"):
        own.dated.submit(factory.ALPHA, "C", JANUARY, 1, 2)


def test_jobs_of_handlers_make_a_batch():
    parts = chain(own.dated.job("C", JANUARY), job("test_untyped", {"text": "a"}, priority="High"))
    batch = committed(submit_batch, factory.ALPHA, [parts])
    jobs = frappe.get_all("Background Job", {"parent_batch": batch.name}, ["job_type", "priority"], order_by="name")
    assert [(job.job_type, job.priority) for job in jobs] == [("test_dated", "Normal"), ("test_untyped", "High")]
