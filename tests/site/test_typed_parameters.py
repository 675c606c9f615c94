"""What a handler declares about its parameters is checked when a job is submitted, and is what it is called with."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any

import frappe
import pytest
from pydantic import AfterValidator, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from dartwing_core.jobs import InvalidJobError, job_handler, retry_job, submit_job
from dartwing_core.jobs.operations.job_types import get_job_type_overview
from dartwing_core.jobs.types import handlers, parameters
from tests.support import contents, factory, schedules
from tests.support.jobs import run, submitted
from tests.support.secret_rows import typed

pytestmark = pytest.mark.usefixtures("no_sweeps")

STATEMENT = {"customer": "C-1", "until": "2026-01-31"}


@pytest.mark.parametrize(
    ("handler", "parameters", "result"),
    [
        ("by_arguments", STATEMENT, {"types": ["str", "date", "str", "int"], "copies": 1}),
        (
            "by_arguments",
            {"customer": "C", "until": date(2026, 1, 31)},
            {"types": ["str", "date", "str", "int"], "copies": 1},
        ),
        ("by_dataclass", {**STATEMENT, "lines": [{"item": "A"}]}, {"year": 2026, "items": ["A"]}),
        ("by_model", {"amount": 12.5}, {"cents": 1250, "kept": {"amount": 12.5}}),
        ("by_decorator", STATEMENT, {"customer": "C-1"}),
        ("by_alias", {"customerName": "C"}, {"customer": "C"}),
        ("with_foreign_context", {"customer": "C"}, {"customer": "C"}),
    ],
)
def test_a_handler_gets_typed_values(handler, parameters, result):
    # Seen failing: handlers with further arguments were refused.
    done = run(submitted(typed(handler), **parameters))
    assert (done["status"], done["result"]) == ("Completed", result), done["error_message"]


@pytest.mark.parametrize(
    ("handler", "parameters", "problems"),
    [
        ("by_arguments", {}, ["customer is missing", "until is missing"]),
        ("by_arguments", {**STATEMENT, "customr": "x"}, ["customr is unknown: did you mean customer?"]),
        ("by_arguments", {**STATEMENT, "zzz": 1}, ["zzz is unknown (known: copies, customer, language, until)"]),
        ("by_arguments", {**STATEMENT, "copies": "3"}, ["copies must be a whole number"]),
        ("by_arguments", {**STATEMENT, "copies": True}, ["copies must be a whole number"]),
        ("by_arguments", {**STATEMENT, "language": "fr"}, ["language must be one of: en, de"]),
        ("by_arguments", {**STATEMENT, "until": "soon"}, ["until must be a date, such as 2026-01-31"]),
        ("by_arguments", {**STATEMENT, "customer": 5}, ["customer must be text"]),
        ("by_dataclass", {**STATEMENT, "lines": [{"item": "A"}, {"quantity": 2}]}, ["lines[1].item is missing"]),
        ("by_model", {"amount": -1}, ["amount is wrong: Input should be greater than 0"]),
    ],
)
def test_what_does_not_fit_is_named_at_the_submit(handler, parameters, problems):
    # Seen failing: it was accepted, and ended as a KeyError in Dead Letter.
    job_type = typed(handler)
    with pytest.raises(InvalidJobError) as error:
        submit_job(job_type, factory.ALPHA, parameters)
    assert str(error.value) == f"Invalid parameters: {'; '.join(problems)}."
    assert not frappe.db.exists("Background Job", {"job_type": job_type})


@pytest.mark.parametrize("before", range(70, 105, 5))
def test_what_a_validator_says_is_short_and_no_part_of_a_secret_is_left_where_it_was_cut(before):
    # Seen failing: cut before it was masked, the beginning of the secret stayed.
    def refuse(_value: Any) -> None:
        raise ValueError(f"{'x' * before}s3cret-token{'y' * 100_000}")

    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Annotated[str, AfterValidator(refuse)]).validate_python("given")
    (problem,) = parameters.problems_of(refused.value, ["s3cret-token"])
    assert len(problem) < 200
    assert "s3" not in problem


def test_a_schedule_and_a_retry_are_checked_too():
    job_type = typed("by_arguments")
    with pytest.raises(InvalidJobError, match="until is missing"):
        schedules.document(job_type, parameters='{"customer": "C"}').insert()
    job = submitted(job_type, **STATEMENT)
    frappe.db.set_value("Background Job", job.name, "status", "Dead Letter")
    with pytest.raises(InvalidJobError, match="copies must be a whole number"):
        retry_job(job.name, {**STATEMENT, "copies": "many"})


def test_parameters_that_no_longer_fit_fail_for_good_with_their_names():
    job = submitted(typed("by_arguments"), **STATEMENT)
    older = json.dumps({"customer": "C-1"})  # as if submitted before `until` was asked for
    contents.store(job.name, {"input_parameters": older})
    frappe.db.commit()
    done = run(job)
    said = "Invalid parameters: until is missing."
    assert (done["status"], done["error_message"]) == ("Dead Letter", said)


def test_the_schema_tells_types_defaults_and_descriptions():
    schema = get_job_type_overview(typed("by_arguments"))["schema"]
    assert schema["required"] == ["customer", "until"]
    assert schema["properties"]["until"]["format"] == "date"
    assert schema["properties"]["language"] == {
        "default": "en",
        "enum": ["en", "de"],
        "title": "Language",
        "type": "string",
    }
    described = get_job_type_overview(typed("by_dataclass"))["schema"]["properties"]["customer"]
    assert described["description"] == "Whom it is for"


def test_the_decorator_says_what_it_can_not_use():
    def without_type(context, customer):
        """An argument without a type."""

    with pytest.raises(TypeError, match="give customer a type, such as customer: str"):
        job_handler(without_type)


def test_a_type_that_json_can_not_hold_is_named():
    class Own:
        """No dataclass."""

    def handler(context, customer: str, other):
        """Takes what no job can hold."""

    handler.__annotations__["other"] = Own
    with pytest.raises(
        PydanticSchemaGenerationError, match=r"Unable to generate pydantic-core schema for <class .*Own"
    ):
        parameters.declared_by(handler)


def test_a_type_that_can_not_be_read_is_named_when_a_job_type_is_saved():
    with pytest.raises(handlers.UnknownHandlerError, match="its parameters can't be read: NameError"):
        factory.job_type("unread", f"{factory.TYPED}.with_unknown_type")
