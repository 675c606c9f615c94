"""The ways in for Python code: the decorator of handlers, their own `submit`, and `enqueue` in place of Frappe's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils.background_jobs import get_queues_timeout

from .. import engine
from ..access import visibility
from ..errors import InvalidJobError
from ..lib import config
from ..run.context import JobContext
from ..submit import submission
from ..submit.request import Request
from ..types import functions, handlers
from ..types.handlers import Handler, Options
from ..types.parameters import declared_by, parameters_of
from . import batches

if TYPE_CHECKING:
    from typing import Concatenate

    from typing_extensions import ParamSpec, Unpack

    P = ParamSpec("P")
    R = TypeVar("R", covariant=True)

    class JobHandler(Protocol[P, R]):
        """A handler that declares its Job Type."""

        def __call__(self, context: JobContext, *arguments: P.args, **named: P.kwargs) -> R:
            """Run it, as the engine does."""

        def submit(self, organization: str | None = None, *arguments: P.args, **named: P.kwargs) -> Document:
            """Submit a job of the type with these parameters. Returns and raises what `submit_job` does."""

        def job(self, *arguments: P.args, **named: P.kwargs) -> dict[str, Any]:
            """A job of the type, to be submitted with others: see `chain`, `group` and `submit_batch`."""


@overload
def job_handler(function: Handler, /) -> Handler: ...


@overload
def job_handler(
    type_name: str, /, *, parameters: type | None = None, **options: Unpack[Options]
) -> Callable[[Callable[Concatenate[JobContext, P], R]], JobHandler[P, R]]: ...


@overload
def job_handler(*, parameters: type | None = None) -> Callable[[Handler], Handler]: ...


def job_handler(
    function_or_name: Handler | str | None = None, /, *, parameters: type | None = None, **options: Any
) -> Any:
    """Decorator: a Job Type may name this function as its handler.

    With a name, the Job Type itself is declared: it is made on install and migrate, with the options given here.
    `timeout`, `rate_limit_window` and `deduplication_window` are in seconds, `retry_delays` a list of seconds.
    `retry_on` and `never_retry_on` hold exception classes or their names. `former_names`: those of earlier releases.
    `title`: that of the type's jobs, such as "Statement for {customer}". Further options: `display_name`,
    `description`, `max_retries`, `priority`, `queue`, `deduplication`, `rate_limit`, `max_concurrent`,
    `max_concurrent_per_organization`, `own_process`, `requires_permission`, `results_visible_to`, `notify_on`,
    `on_timeout`, `on_dead_letter`. Such a function submits jobs of its type: `function.submit(organization, …)`.
    `function.job(…)` is a part of a batch.

    The function takes the context, and further arguments by name: the job's parameters, each by its annotation. Or it
    takes one argument `parameters`, whose type is a dataclass, a TypedDict or a pydantic model. A handler of the
    context alone may name such a type as `parameters` of the decorator. Parameters are checked when a job is
    submitted, and Desk makes the dialog to run such a job of them. A text in an `Annotated` type describes its field.
    Raises TypeError if the function is no handler, or an option is unknown.
    """
    type_name = function_or_name if isinstance(function_or_name, str) else None

    def register(function: Handler) -> Handler:
        handlers.register(function, type_name, parameters, options)
        if type_name:
            submitter = TypeSubmitter(function, type_name)
            vars(function).update(submit=submitter.submit, job=submitter.job)
        return function

    return register(function_or_name) if callable(function_or_name) else register


@dataclass(frozen=True, slots=True)
class TypeSubmitter:
    """Submits jobs of a handler's Job Type."""

    function: Handler
    type_name: str

    def submit(self, *arguments: Any, **named: Any) -> Document:
        """Submit a job with these parameters of the handler. The organization comes first, or by name.

        By name, it is a parameter if the handler declares one called `organization`.
        """
        organization, declared = None, declared_by(self.function)
        if arguments:
            organization, *arguments = arguments  # type: ignore[assignment]
        elif not declared or "organization" not in declared.known:
            organization = named.pop("organization", None)
        parameters = parameters_of(self.function, arguments, named)
        return engine.submit_job(self.type_name, organization, parameters)

    def job(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """A job with these parameters, to be submitted with others."""
        return batches.job(self.type_name, parameters_of(self.function, arguments, named))


# enqueue --------------------------------------------------------------------------------------------------------------

RUN_METHOD = "dartwing_core.handlers.enqueued.run_doc_method"


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
    at_front_when_starved: bool = False,  # noqa: ARG001 - nobody starves here
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
    `now`, and `is_async=False`: call the function at once, in this process. `event` and
    `at_front_when_starved` are ignored.

    Raises UnknownHandlerError for a function that no app has registered, InvalidJobError for wrong arguments, and
    what `submit_job` raises.
    """
    if on_success or on_failure:
        raise InvalidJobError(_("enqueue takes no on_success and on_failure. Submit a batch with callbacks instead."))
    path = functions.path_of(method)
    function = functions.resolve(path)
    _check_secrets(function, path)
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
        queue=queue or "default",
    )
    return engine.submit([request])[0].document


def enqueue_doc(
    doctype: str,
    name: str | None = None,
    method: str = "",
    queue: str = "default",
    timeout: int | None = 300,
    now: bool = False,
    **kwargs: Any,
) -> Any:
    """Run a method of a document in a worker, as `frappe.enqueue_doc` does. Its class marks it by `@enqueueable`.

    The document is loaded when the job runs. `name`: that of a single is its DocType. `kwargs`: arguments of the
    method, and those of `enqueue`. Returns and raises what `enqueue` does.
    """
    function, path = functions.method_of(doctype, method), f"{doctype}.{method}"
    _check_secrets(function, path)
    own = {key: value for key, value in kwargs.items() if key not in inspect.signature(enqueue).parameters}
    _check_arguments(partial(function, None), path, own)
    given = {"doctype": doctype, "name": name or doctype, "doc_method": method, **kwargs}
    return enqueue(RUN_METHOD, queue, timeout, now=now, **{"job_name": f"{method} {name or doctype}", **given})


def _check_secrets(function: Callable[..., Any], path: str) -> None:
    if "Secret[" in str(getattr(inspect.unwrap(function), "__annotations__", "")):
        raise InvalidJobError(_("{0} takes a Secret, which enqueue can't encrypt: use @job_handler.").format(path))


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
        raise InvalidJobError(f"{_('The organization is missing.')} {submission.how_to_name('job_organization')}")
    return found[0]
