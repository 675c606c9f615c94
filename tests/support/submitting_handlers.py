"""Handlers for tests that submit jobs of their own Job Types. Tests name this module in the site's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from dartwing_core.jobs import JobContext, job_handler

from .typed_handlers import Payment, Statement


@job_handler("test_dated", deduplication="Never")
def dated(context: JobContext, customer: str, since: date, copies: int = 1) -> dict[str, Any]:
    """Takes its parameters by name."""
    return {"customer": customer, "year": since.year, "copies": copies}


@job_handler("test_whole", deduplication="Never")
def whole(context: JobContext, parameters: Statement) -> dict[str, Any]:
    """Takes all parameters as one object."""
    return {"customer": parameters.customer, "items": [line.item for line in parameters.lines]}


@job_handler("test_model", deduplication="Never")
def model(context: JobContext, parameters: Payment) -> dict[str, Any]:
    """Takes them as a pydantic model."""
    return {"cents": int(parameters.amount * 100)}


@job_handler("test_untyped", deduplication="Never")
def untyped(context: JobContext) -> dict[str, Any]:
    """Takes whatever is submitted."""
    return {"got": context.parameters}


@job_handler("test_of_dict", deduplication="Never")
def of_dict(context: JobContext, parameters: dict[str, int]) -> dict[str, Any]:
    """Has one parameter that is named like the object of all."""
    return {"sum": sum(parameters.values())}


@job_handler("test_of_branch", deduplication="Never")
def of_branch(context: JobContext, organization: str) -> dict[str, Any]:
    """Has a parameter that is named like the job's organization."""
    return {"branch": organization}


@dataclass
class Branch:
    """A branch, with a field that is named like the job's organization."""

    organization: str
    floors: int = 1


@job_handler("test_branch", deduplication="Never")
def branch(context: JobContext, parameters: Branch) -> dict[str, Any]:
    """Takes the branch as one object."""
    return {"branch": parameters.organization, "floors": parameters.floors}


@job_handler("test_titled", deduplication="Never", title="{copies} for {customer}")
def titled(context: JobContext, customer: str, copies: int = 2) -> None:
    """Has a title with a parameter that calls may leave out."""
