"""The decorator of handlers, and the submit of jobs by the handler itself: `send_statement.submit("Acme", …)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from ..engine import submit_job
from ..run.context import JobContext
from ..types import handlers
from ..types.handlers import Handler, Options
from ..types.parameters import declared_by, parameters_of
from . import batches

if TYPE_CHECKING:
    from typing import Concatenate

    from frappe.model.document import Document
    from typing_extensions import ParamSpec, Unpack

    P = ParamSpec("P")
    R = TypeVar("R", covariant=True)

    class Submitter(Protocol[P]):
        """Submits jobs of a Job Type, perhaps with further arguments of `submit_job`."""

        def submit(self, organization: str | None = None, *arguments: P.args, **named: P.kwargs) -> Document:
            """Submit a job of the type with these parameters. Returns and raises what `submit_job` does."""

        def job(self, *arguments: P.args, **named: P.kwargs) -> dict[str, Any]:
            """A job of the type, to be submitted with others: see `chain`, `group` and `submit_batch`."""

    class JobHandler(Submitter[P], Protocol[P, R]):
        """A handler that declares its Job Type."""

        def __call__(self, context: JobContext, *arguments: P.args, **named: P.kwargs) -> R:
            """Run it, as the engine does."""

        def with_options(self, **options: Any) -> Submitter[P]:
            """This handler with further arguments of `submit_job`: `send.with_options(priority="High").submit(…)`."""


@overload
def job_handler(function: Handler | type, /) -> Handler: ...


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
    `on_timeout`, `on_dead_letter`. Such a function submits jobs of its type: `function.submit(organization, …)`, with
    further arguments of `submit_job` by `function.with_options(priority="High").submit(organization, …)`.
    `function.job(…)` is a part of a batch.

    The function takes the context, and further arguments by name: the job's parameters, each by its annotation. Or it
    takes one argument `parameters`, whose type is a dataclass, a TypedDict or a pydantic model. A handler of the
    context alone may name such a type as `parameters` of the decorator. Parameters are checked when a job is
    submitted, and Desk makes the dialog to run such a job of them. A text in an `Annotated` type describes its field.
    A class may stand in place of the function: its method `run` is the handler, and its methods `on_timeout` and
    `on_dead_letter` are those options. Each call has an instance of its own.
    Raises TypeError if the function is no handler, or an option is unknown.
    """
    type_name = function_or_name if isinstance(function_or_name, str) else None

    def register(given: Handler | type) -> Handler:
        function = handlers.register(given, type_name, parameters, options)
        if type_name:
            submitter = TypeSubmitter(function, type_name, {})
            vars(function).update(submit=submitter.submit, job=submitter.job, with_options=submitter.with_options)
        return function

    return register(function_or_name) if callable(function_or_name) else register


class TypeSubmitter:
    """Submits jobs of a handler's Job Type."""

    def __init__(self, function: Handler, type_name: str, options: Mapping[str, Any]):
        """`options`: further arguments of `submit_job`."""
        self._function, self._type_name, self._options = function, type_name, options

    def submit(self, *arguments: Any, **named: Any) -> Document:
        """Submit a job with these parameters of the handler. The organization comes first, or by name.

        By name, it is a parameter if the handler declares one called `organization`.
        """
        organization, declared = None, declared_by(self._function)
        if arguments:
            organization, *arguments = arguments  # type: ignore[assignment]
        elif not declared or "organization" not in declared.known:
            organization = named.pop("organization", None)
        return submit_job(self._type_name, organization, self._parameters(arguments, named), **self._options)

    def job(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """A job with these parameters, to be submitted with others."""
        return batches.job(self._type_name, self._parameters(arguments, named), **self._options)

    def with_options(self, **options: Any) -> TypeSubmitter:
        """A submitter with further arguments of `submit_job`, which checks them at the submit."""
        return TypeSubmitter(self._function, self._type_name, {**self._options, **options})

    def _parameters(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
        return parameters_of(self._function, arguments, named)
