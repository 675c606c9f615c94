"""Runs the functions that `dartwing_core.jobs.enqueue` submits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from dartwing_core.jobs import JobContext, job_handler
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.types import functions


@dataclass
class EnqueuedParameters:
    """The parameters of enqueued_function. Only `enqueue` writes them."""

    method: Annotated[str, "Dotted path of a registered function"]
    arguments: Annotated[dict[str, Any], "Its keyword arguments"]


@job_handler(
    functions.JOB_TYPE,
    parameters=EnqueuedParameters,
    timeout=config.MAX_TIMEOUT,
    max_retries=3,
    deduplication="never",
)
def enqueued_function(context: JobContext) -> Any:
    """Calls a function that an app has registered, as frappe.enqueue does. Only Python code submits it."""
    return functions.resolve(context.parameters["method"])(**context.parameters["arguments"])
