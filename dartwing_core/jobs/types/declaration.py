"""What `@job_handler` leaves at a function: the mark, and the options of its Job Type as values of the DocType."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from ..lib import config
from ..lib.texts import as_sentence, describe_unknown
from ..lib.texts import translate as _

MARK = "__background_job__"
ErrorNames = Sequence[type[BaseException] | str] | set[type[BaseException] | str]


class Options(TypedDict, total=False):
    """The options of a Job Type that `@job_handler` takes. Times are in seconds.

    `title`: that of the type's jobs, with parameters in braces. `on_timeout`: a function of the context that cleans up
    after a time limit. `on_dead_letter`: a function that hears of the type's dead letters, as by the hook
    `background_job_events`. `retry_on`, `never_retry_on`: exception classes or their names. `former_names`: names
    that the type had in earlier releases.
    """

    display_name: str
    description: str
    title: str
    timeout: int
    max_retries: int
    retry_delays: Sequence[int]
    retry_on: ErrorNames
    never_retry_on: ErrorNames
    priority: str
    queue: str
    deduplication: str
    deduplication_window: int
    rate_limit: int
    rate_limit_window: int
    max_concurrent: int
    max_concurrent_per_organization: int
    own_process: bool
    requires_permission: str
    results_visible_to: str
    notify_on: str
    on_timeout: Callable[..., Any]
    on_dead_letter: Callable[..., Any]
    former_names: Sequence[str]


FIELDS = {
    "timeout": "default_timeout",
    "priority": "default_priority",
    "on_timeout": "timeout_handler_method",
    "on_dead_letter": "dead_letter_handler_method",
    "title": "job_title",
}
"""Fields of Job Type that are named otherwise than the option."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What marks a function as a handler."""

    type_name: str
    """The name of the Job Type that it declares. Empty if it declares none."""
    options: Mapping[str, Any]
    description: str
    parameters: type | None
    """The type of its parameters, if the decorator names one."""

    def values(self) -> dict[str, Any]:
        """The values of the DocType's fields, without fields that the code does not name.

        Raises TypeError for an option that is None, or no list where it has to be one.
        """
        values = {FIELDS.get(name, name): _plain(value) for name, value in self.options.items()}
        values.pop("former_names", None)
        if "deduplication" in values:  # also as a call says it
            values["deduplication"] = config.DEDUPLICATION.get(values["deduplication"], values["deduplication"])
        if "deduplication_window" in values:
            values.setdefault("deduplication", config.policy_of_window(values["deduplication_window"]))
        return {"description": self.description, **values}


def mark_of(function: Any) -> Mark | None:
    """The mark of a handler. None for anything else."""
    found = getattr(function, MARK, None) if callable(function) else None
    return found if isinstance(found, Mark) else None


def mark(
    function: Callable[..., Any], type_name: str | None, parameters: type | None, options: Mapping[str, Any]
) -> None:
    """Mark a function as a handler. Raises TypeError for an option that there is not."""
    if unknown := sorted(options.keys() - Options.__annotations__.keys()):
        about = describe_unknown(unknown, Options.__annotations__)
        raise TypeError(as_sentence(_("@job_handler: option {0}").format(about)))
    description = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    setattr(function, MARK, Mark(type_name or "", options, description, parameters))


def _plain(value: Any) -> Any:
    """A value as the field stores it."""
    if isinstance(value, bool):
        return int(value)
    if inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, str | int):
        return value
    return ", ".join(one.__name__ if isinstance(one, type) else str(one) for one in value)
