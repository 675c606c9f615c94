"""The arguments of a handler's decorator about its Job Type, as values of the DocType's fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, get_origin, get_type_hints

from ..lib import config
from ..lib.texts import as_sentence, cut, describe_unknown
from ..lib.texts import translate as _


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
    retry_on: Collection[type[BaseException] | str]
    never_retry_on: Collection[type[BaseException] | str]
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
    former_names: Collection[str]


HINTS = get_type_hints(Options)
FIELDS = {
    "timeout": "default_timeout",
    "priority": "default_priority",
    "on_timeout": "timeout_handler_method",
    "on_dead_letter": "dead_letter_handler_method",
    "title": "job_title",
}
"""Fields of Job Type that are named otherwise than the option."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A Job Type in code."""

    type_name: str
    values: Mapping[str, Any]
    """Values of fields of the DocType. Fields that the code does not name are missing."""
    former_names: tuple[str, ...] = ()
    wrong_option: tuple[str, Any] | None = None
    """The name and value of an option of a wrong kind. The type stays as it is, and the module is imported."""

    @property
    def problem(self) -> str | None:
        """Why the type can't be what the code says, in the reader's language. None if it can."""
        return _problem_of(*self.wrong_option) if self.wrong_option else None


def declare(function: Callable[..., Any], type_name: str, options: Mapping[str, Any]) -> Declaration:
    """The declaration of a handler's Job Type. Raises TypeError for an option that there is not."""
    if unknown := sorted(options.keys() - Options.__annotations__.keys()):
        about = describe_unknown(unknown, Options.__annotations__)
        raise TypeError(as_sentence(_("@job_handler: option {0}").format(about)))
    if wrong := [(name, value) for name, value in options.items() if not _is_of_kind(value, HINTS[name])]:
        return Declaration(type_name, {}, wrong_option=wrong[0])
    values = {FIELDS.get(name, name): _plain(value) for name, value in options.items() if name != "former_names"}
    if "deduplication" in values:  # also as a call says it
        values["deduplication"] = config.DEDUPLICATION.get(values["deduplication"], values["deduplication"])
    if "deduplication_window" in values:
        values.setdefault("deduplication", config.policy_of_window(values["deduplication_window"]))
    values.setdefault("description", (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " "))
    return Declaration(type_name, values, tuple(options.get("former_names", ())))


def _is_of_kind(value: Any, hint: Any) -> bool:
    """Whether an option's value is of the kind that its annotation says."""
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is bool:
        return isinstance(value, int)
    if hint is str:
        return isinstance(value, str)
    if get_origin(hint) is Callable:
        return callable(value) or isinstance(value, str)
    return isinstance(value, Collection)


def _problem_of(name: str, value: Any) -> str:
    """The problem of an option whose value is of another kind."""
    hint = HINTS[name]
    kinds = {int: _("a whole number"), bool: _("True or False"), str: _("text")}
    kind = kinds.get(hint) or (_("a function") if get_origin(hint) is Callable else _("a list"))
    return _("{0} must be {1}, not {2}. Leave out an option without a value.").format(name, kind, cut(repr(value)))


def _plain(value: Any) -> Any:
    """A value as the field stores it."""
    if isinstance(value, bool):
        return int(value)
    if inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, str | int):
        return value
    return ", ".join(one.__name__ if isinstance(one, type) else str(one) for one in value)
