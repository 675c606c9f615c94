"""Jobs for events of documents: the hook `background_job_submit_on` says which event submits which job.

    background_job_submit_on = {"Sales Invoice": {"on_submit": "send_invoice", "on_cancel": "your_app.jobs.withdrawal"}}

A text without dots is a Job Type, whose parameters are the document's fields of these names. A dotted path is a
function of the document that returns the arguments of `submit_job`, a list of such, or None for no job. Each event has
a job of its own, also if an equal one is unfinished, unless the function says otherwise.

The job's organization is that of the document: its field `organization`, or its link to the adapter's DocType.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from ..access import tenancy
from ..attempt.named_paths import attribute_of
from ..base import config
from ..base.secret_values import Secret
from ..base.texts import cut, is_path
from ..engine import submit_jobs
from ..errors import InvalidJobError
from ..submit import given_parameters, submission

if TYPE_CHECKING:
    from frappe.model.document import Document
    from frappe.model.meta import Meta

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
        requests: list[dict[str, Any]] = []
        try:
            for name in _names(by_event[event]):
                requests += _requests(name, document)
            submit_jobs(requests)
        except (InvalidJobError, frappe.PermissionError) as error:
            error.args = (_explained(error, document, event, requests),)
            raise


def organization_fields(meta: Meta) -> list[str]:
    """The links of a DocType to the organizations of the site's adapter: one if it is plain which of them counts.

    None without an adapter that names its DocType.
    """
    doctype = tenancy.organization_doctype()
    if doctype == tenancy.ORGANIZATION:
        return []
    links = [field.fieldname for field in meta.get_link_fields() if field.options == doctype]
    named = [name for name in (ORGANIZATION, frappe.scrub(doctype)) if name in links]
    return named[:1] or links


def _linked_organization(document: Document) -> str | None:
    """The organization to which the document links, or None if its DocType has no such link.

    Raises InvalidJobError rather than let a job of this document go to the Default Organization.
    """
    fields = organization_fields(document.meta)
    if not fields:
        return None
    if len(fields) > 1:
        text = _("Several of its fields name an organization: {0}. The hook {1} has to name a function that decides.")
        raise InvalidJobError(text.format(", ".join(fields), HOOK))
    organization = document.get(fields[0])
    if not organization:
        label = document.meta.get_label(fields[0])
        raise InvalidJobError(_("{0} is empty, and says for which organization the job is. Fill it in.").format(label))
    return organization


def _explained(error: Exception, document: Document, event: str, requests: Sequence[Mapping[str, Any]]) -> str:
    """The error's text for people who have saved a document, and have heard of no job."""
    text = _("{0}, event {1}: the job of the document was refused.").format(_(document.doctype), event)
    known = [document.get(field) for field in (ORGANIZATION, *organization_fields(document.meta))]
    organization = requests[0][ORGANIZATION] if len(requests) == 1 else None
    if organization and organization in known:
        text = _("{0}, event {1}: the job of the document, for {2}, was refused.").format(
            _(document.doctype), event, cut(organization)
        )
    advice = _("Ask an administrator to permit it.") if isinstance(error, frappe.PermissionError) else ""
    return f"{text} {error} {advice}".rstrip()


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
            filled_in: dict[str, Any] = {} if is_chosen else {"deduplication": "never"}
            if not request.get(ORGANIZATION):
                filled_in[ORGANIZATION] = _linked_organization(document)
            yield {"reference": document, **request, **filled_in}


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
