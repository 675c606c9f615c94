"""`enqueue`: the signature of `frappe.enqueue`, for jobs that are not lost."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils.background_jobs import get_queues_timeout

from .. import engine
from ..access import visibility
from ..errors import InvalidJobError
from ..lib import config
from ..submit import submission
from ..submit.request import Request
from ..types import functions


def enqueue(
    method: str | Callable[..., Any],
    queue: str = "default",
    timeout: int | None = None,
    event: Any = None,  # noqa: ARG001 - frappe.enqueue has it
    is_async: bool = True,
    job_name: str | None = None,
    now: bool = False,
    enqueue_after_commit: bool = False,  # noqa: ARG001 - a job always starts after the commit
    *,
    on_success: Callable[..., Any] | None = None,
    on_failure: Callable[..., Any] | None = None,
    at_front: bool = False,
    job_id: str | None = None,
    deduplicate: bool = False,
    job_organization: str | None = None,
    **kwargs: Any,
) -> Any:
    """Run a registered function in a worker with these keyword arguments, as `frappe.enqueue` does.

    Returns the Background Job document; what the function returns if it is called at once.

    The job is durable, retried and visible: a Background Job of the Job Type `enqueued_function`. It exists if the
    caller's transaction commits, with or without `enqueue_after_commit`. The arguments must have a faithful JSON form.
    `job_organization`: id or name; by default the default one, or the only one of the user.
    `queue`: its workers run the job. `timeout`: seconds; by default that of the queue. `deduplicate`: return the
    unfinished job with this `job_id` and function, if there is one. `at_front`: as urgent. `job_name`: the job's title.
    `now`, and `is_async=False`: call the function at once, in this process. `event` is ignored.

    Raises UnknownHandlerError for a function that no app has registered, InvalidJobError for wrong arguments, and
    what `submit_job` raises.
    """
    if on_success or on_failure:
        raise InvalidJobError(_("enqueue takes no on_success and on_failure. Submit a batch with callbacks instead."))
    path = functions.path_of(method)
    function = functions.resolve(path)
    if "Secret[" in str(getattr(inspect.unwrap(function), "__annotations__", "")):
        raise InvalidJobError(_("{0} takes a Secret, which enqueue can't encrypt: use @job_handler.").format(path))
    if now or not is_async:
        return frappe.call(function, **kwargs)
    if deduplicate and not job_id:
        raise InvalidJobError(_("`job_id` parameter is required for deduplication."))
    _check_arguments(function, path, kwargs)
    organization = job_organization or _only_organization()
    request = Request(
        functions.JOB_TYPE,
        organization,
        {"method": path, "arguments": kwargs},
        priority="High" if at_front else None,
        dedup_key=f"{path} {job_id}" if deduplicate else None,
        on_duplicate="return",
        deduplication="while_unfinished" if deduplicate else "never",
        timeout=timeout or get_queues_timeout().get(queue),
        title=job_name or path.rpartition(".")[2],
        queue=queue,
        is_enqueued=True,
    )
    return engine.submit_request(request)


def _check_arguments(function: Callable[..., Any], path: str, arguments: Mapping[str, Any]) -> None:
    """Raises InvalidJobError for arguments with which a worker could not call the function."""
    try:
        inspect.signature(function, follow_wrapped=False).bind(**arguments)  # the worker calls the wrapper
    except TypeError as error:
        raise InvalidJobError(_("{0} can't be called with these arguments: {1}.").format(path, error)) from None
    for name, value in arguments.items():
        if isinstance(value, Document):  # JSON would make a dict of it, where frappe.enqueue passes the document
            raise InvalidJobError(_("{0} is a document: pass its name, and load it in the function.").format(name))


def _only_organization() -> str:
    """The id of the Default Organization, or of the only one of the user."""
    if default := config.settings().default_organization:
        return default
    found = visibility.viewer().reach.members
    if len(found) != 1:
        raise InvalidJobError(f"{_('Which organization?')} {submission.how_to_name('job_organization')}")
    return found[0]
