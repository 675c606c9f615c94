"""Runs the functions that `dartwing_core.jobs.enqueue` submits."""

from __future__ import annotations

from typing import Annotated, Any

import frappe

from dartwing_core.jobs import JobContext, enqueueable, job_handler
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.types import functions


@enqueueable
def run_doc_method(doctype: str, name: str, doc_method: str, **arguments: Any) -> Any:
    """Calls a method that the document's class has registered, as frappe.enqueue_doc does."""
    return functions.find_to_run(functions.method_of, doctype, doc_method)(frappe.get_doc(doctype, name), **arguments)


@job_handler(functions.JOB_TYPE, timeout=config.MAX_TIMEOUT, max_retries=3, deduplication="never")
def enqueued_function(
    _context: JobContext,
    method: Annotated[str, "Dotted path of a registered function"],
    arguments: Annotated[dict[str, Any], "Its keyword arguments"],
) -> Any:
    """Calls a function that an app has registered, as frappe.enqueue does. Only Python code submits it."""
    return functions.find_to_run(functions.resolve, method)(**arguments)
