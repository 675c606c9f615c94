"""Handlers for tests that submit jobs of their own Job Types. Tests name this module in the site's configuration."""

from __future__ import annotations

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


@job_handler("test_of_branch", deduplication="Never")
def of_branch(context: JobContext, organization: str) -> dict[str, Any]:
    """Has a parameter that is named like the job's organization."""
    return {"branch": organization}
