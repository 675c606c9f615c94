"""Jobs for events of documents: the hook `background_job_submit_on` says which event submits which job.

    background_job_submit_on = {"Sales Invoice": {"on_submit": "send_invoice", "on_cancel": "your_app.jobs.withdrawal"}}

A text without dots is a Job Type, whose parameters are the document's fields of these names. A dotted path is a
function of the document that returns the arguments of `submit_job`, a list of such, or None for no job. Each event has
a job of its own, also if an equal one is unfinished, unless the function says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from ..attempt.named_paths import attribute_of
from ..base import config
from ..base.secret_values import Secret
from ..base.texts import is_path
from ..engine import submit_jobs
from ..errors import InvalidJobError
from ..submit import given_parameters, submission

if TYPE_CHECKING:
    from frappe.model.document import Document

HOOK = "background_job_submit_on"
EVENTS = ("after_insert", "on_update", "on_submit", "on_cancel", "on_update_after_submit", "on_trash")
ORGANIZATION = "organization"
WHILE_CHANGING = ("in_install", "in_uninstall", "in_migrate", "in_patch", "in_fixtures")
"""Frappe's flags while apps change: Job Types are made behind patches and fixtures, so these submit no jobs."""


def submit_for(document: Document, event: str, *_more: Any) -> None:
    """Hook of Frappe's, at each event of each document: submit the jobs that apps declare for it.

    The jobs are about the document, and exist if its transaction commits. Raises the errors of `submit_jobs`, which
    undo the document's change, as those of any other function of a document's events do.
    """
    if any(frappe.flags.get(flag) for flag in WHILE_CHANGING):
        return
    by_doctype = config.hook(HOOK)
    by_event = by_doctype.get(document.doctype) if isinstance(by_doctype, Mapping) else None
    if isinstance(by_event, Mapping) and event in by_event:
        requests = [request for name in _names(by_event[event]) for request in _requests(name, document)]
        submit_jobs(requests)


def _names(declared: Any) -> list[str]:
    """Frappe makes a list of the texts of all apps."""
    return [declared] if isinstance(declared, str) else list(declared)


def _requests(name: str, document: Document) -> Iterator[dict[str, Any]]:
    found = _function(name)(document) if is_path(name) else _by_fields(name, document)
    for request in found if isinstance(found, list) else [found]:
        if request is not None:
            if not isinstance(request, Mapping):
                raise InvalidJobError(
                    _("{0} has to return the arguments of submit_job, a list of such, or None.").format(name)
                )
            is_chosen = "dedup_key" in request or "deduplication" in request
            each_event_counts = {} if is_chosen else {"deduplication": "never"}
            yield {"reference": document, **each_event_counts, **request}


def _function(path: str) -> Callable[[Document], Any]:
    function = attribute_of(path)
    if not callable(function):
        raise InvalidJobError(_("{0} is no function, but the hook {1} names it.").format(path, HOOK))
    return function


def _by_fields(job_type: str, document: Document) -> dict[str, Any]:
    """A job of this type, with its parameters from the document's fields. Raises InvalidJobError without the type."""
    declared = given_parameters.declared_of(submission.enabled_type(job_type))
    names = declared.schema.get("properties", {}) if declared else {}
    secrets = declared.secrets if declared else ()
    values = {name: _value(document, name, is_secret=name in secrets) for name in names}
    given = {name: value for name, value in values.items() if value is not None}
    return {"job_type": job_type, "organization": document.get(ORGANIZATION), "parameters": given}


def _value(document: Document, field: str, *, is_secret: bool) -> Any:
    """The value of a field. Raises InvalidJobError for a password in a parameter that is not secret."""
    meta = document.meta.get_field(field)
    if not meta or meta.fieldtype != "Password":
        return document.get(field)
    if not is_secret:
        raise InvalidJobError(
            _("{0} is a password: the handler has to declare it as {1}.").format(field, "Secret[str]")
        )
    password = document.get_password(field, raise_exception=False)  # the document holds dots once it is saved
    return Secret(password) if password else None
