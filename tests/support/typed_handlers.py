"""Handlers for tests that declare their parameters in each of the ways there are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import frappe
from markupsafe import escape
from pydantic import BaseModel, Field, model_validator

from dartwing_core.jobs import JobContext, PermanentError, Secret, job_handler


@dataclass
class Line:
    """A line of an invoice."""

    item: str
    quantity: int = 1


@dataclass
class Statement:
    """A statement to send."""

    customer: Annotated[str, "Whom it is for"]
    until: date
    language: Literal["en", "de"] = "en"
    lines: list[Line] = field(default_factory=list)


class Payment(BaseModel):
    """A payment."""

    amount: Decimal = Field(gt=0)
    reference: str | None = None


@job_handler
def by_arguments(
    context: JobContext, customer: str, until: date, language: Literal["en", "de"] = "en", copies: int = 1
) -> dict[str, Any]:
    """Each parameter is an argument."""
    return {"types": [type(value).__name__ for value in (customer, until, language, copies)], "copies": copies}


@job_handler
def by_dataclass(context: JobContext, parameters: Statement) -> dict[str, Any]:
    """All parameters are one object."""
    return {"year": parameters.until.year, "items": [line.item for line in parameters.lines]}


@job_handler
def by_model(context: JobContext, parameters: Payment) -> dict[str, Any]:
    """All parameters are one model."""
    return {"cents": int(parameters.amount * 100), "kept": context.parameters}


@job_handler(parameters=Statement)
def by_decorator(context: JobContext) -> dict[str, Any]:
    """The parameters are checked, and read from the context."""
    return {"customer": context.parameters["customer"]}


class Aliased(BaseModel):
    """A model that takes its field by another name."""

    customer: str = Field(alias="customerName")


@job_handler
def by_alias(context: JobContext, parameters: Aliased) -> dict[str, Any]:
    """A field with an alias."""
    return {"customer": parameters.customer}


@job_handler
def with_foreign_context(context: NotHere, customer: str) -> NorHere:  # type: ignore[name-defined]  # noqa: F821
    """The types of context and result are there for type checkers alone."""
    return {"customer": customer}


@job_handler
def with_unknown_type(context: JobContext, customer: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Its type is nowhere."""


@job_handler
def with_secret(context: JobContext, url: str, token: Secret[str], other: Secret[str] | None = None) -> dict[str, Any]:
    """Tells whether it got the secret that the tests give."""
    return {"is_right": token.get_secret_value() == "s3cret-token", "shown": str(token), "other": str(other)}


@job_handler
def telling_secret(context: JobContext, token: Secret[str]) -> dict[str, Any]:
    """A handler that writes its secret into each text that it leaves, and fails if the secret says so."""
    text = token.get_secret_value()
    context.update_progress(50, f"with {text}", force=True)
    context.log(f"using {text}")
    if text.startswith("bad"):
        raise PermanentError(f"{text} was refused")
    return {"echo": f'"{text}"'}


@dataclass
class Delivery:
    """Parameters with a secret, for a handler that reads the context."""

    url: str
    token: Secret[str]


@job_handler(parameters=Delivery)
def with_secret_in_context(context: JobContext) -> dict[str, Any]:
    """The secret is in the context's parameters."""
    return {"length": len(context.parameters["token"].get_secret_value()), "url": context.parameters["url"]}


@dataclass
class PlainDelivery:
    """As `Delivery` was before its token was declared a secret."""

    url: str
    token: str


@job_handler
def by_dataclass_without_secret(context: JobContext, parameters: PlainDelivery) -> None:
    """Of an earlier release."""


@job_handler
def telling_delivery(context: JobContext, parameters: Delivery) -> None:
    """Of the next release; its error holds the secret."""
    raise ValueError(parameters.token.get_secret_value())


@job_handler
def with_long_secret(context: JobContext, token: Annotated[Secret[str], Field(min_length=8)]) -> None:
    """A secret with a shortest length."""


@job_handler
def untyped_receiver(context: JobContext) -> None:
    """Takes whatever is submitted."""


class StrictModel(BaseModel):
    """A model that quotes what is wrong with it."""

    url: str
    token: Secret[str]

    @model_validator(mode="before")
    @classmethod
    def _check(cls, given: Any) -> Any:
        if given["url"] == "bad":
            raise ValueError(f"bad parameters: {given}")
        return given


@job_handler
def with_strict_model(context: JobContext, parameters: StrictModel) -> None:
    """Nothing."""


@job_handler
def with_number_and_secret(context: JobContext, timeout: float, token: Secret[str]) -> None:
    """A number that JavaScript changes."""


@job_handler
def spills(context: JobContext, token: Secret[str], into: str) -> dict[Any, Any] | None:
    """Lets its secret out `into` a result, a checkpoint or an error."""
    secret = token.get_secret_value()
    if into == "number":
        return {"amount": int(secret), "inner": [f"a {secret}"]}
    if into == "key":  # which JSON can't hold
        return {("a", secret): 1}
    if into == "checkpoint":
        context.checkpoint({"raw": json.dumps({"token": secret})})
    if into == "html":  # as frappe.throw says it
        frappe.throw(f"<p>refused:</p> {secret}")
    raise {
        "text": PermanentError(f"{secret} was refused"),
        "address": ConnectionError(f"url: /x?{urlencode({'token': secret})}"),  # as HTTP libraries make it
        "exit": SystemExit(f"with {secret}"),
        "escaped": PermanentError(f"{frappe.utils.escape_html(secret)} {escape(secret)}"),  # as Frappe and Jinja do
        "end": PermanentError("<br>" * 4_990 + "y" * 35 + secret),  # too long to be read whole, with it at the cut
    }[into]


@job_handler
def sends_statement(
    context: JobContext,
    customer: Annotated[str, "Whom it is for"],
    until: date,
    token: Secret[str],
    language: Literal["en", "de"] = "en",
    copies: int = 1,
    is_draft: bool = False,
    note: str | None = None,
    lines: list[Line] | None = None,
) -> dict[str, Any]:
    """One parameter of each kind, for forms. Fails for good if there are many copies."""
    if copies > 9:
        raise PermanentError("Too many copies")
    return {"is_right": token.get_secret_value() == "s3cret-token"}
