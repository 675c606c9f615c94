"""The registry of job handlers: the only functions that the engine runs. Checks what jobs give them.

A function is registered by the decorator `@job_handler` or by its dotted path in the hook
`background_job_handlers` of an installed app. The hook may also name a module, which is then imported for the
decorated functions in it. For code outside any app, site_config.json may hold a list of the same name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from typing_extensions import TypedDict

from ..errors import InvalidJobError, UnknownHandlerError
from ..lib import canonical, config, sealing, secret_values
from ..lib.config import JobType, Settings
from ..lib.texts import as_sentence, describe_unknown
from ..lib.texts import translate as _
from . import functions
from .functions import HANDLERS_HOOK, attribute_of, find, named_in
from .parameters import MARK, Declared, declared_by, further_arguments

Handler = Callable[..., "dict[str, Any] | None"]
ErrorNames = Sequence[type[BaseException] | str] | set[type[BaseException] | str]


class Options(TypedDict, total=False):
    """The options of a Job Type that `@job_handler` takes. Times are in seconds.

    `on_timeout`: a function of the context that cleans up after a time limit. `on_dead_letter`: a function that hears
    of the type's dead letters, as by the hook `background_job_events`. `job_handler` describes the others.
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
        window = values.get("deduplication_window")
        values.setdefault("deduplication", config.NEVER if window is None else config.policy_of_window(window))
        return {"description": self.description, **values}


def mark_of(function: Any) -> Mark | None:
    """The mark of a handler. None for anything else."""
    found = getattr(function, MARK, None) if callable(function) else None
    return found if isinstance(found, Mark) else None


def _plain(value: Any) -> Any:
    """A value as the field stores it."""
    if isinstance(value, bool):
        return int(value)
    if inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, str | int):
        return value
    return ", ".join(one.__name__ if isinstance(one, type) else str(one) for one in value)


def register(function: Handler, type_name: str | None, parameters: type | None, options: Mapping[str, Any]) -> None:
    """Mark a function as a handler, with the arguments of its `@job_handler`. Raises TypeError."""
    if problem := signature_problem(function):
        raise TypeError(f"{function.__module__}.{function.__qualname__}: {problem}")
    if unknown := sorted(options.keys() - Options.__annotations__.keys()):
        about = describe_unknown(unknown, Options.__annotations__)
        raise TypeError(as_sentence(_("@job_handler: option {0}").format(about)))
    if options and not type_name:
        raise TypeError(_("Name the Job Type as well: @job_handler({0}, …)").format(f'"{function.__name__}"'))
    description = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    setattr(function, MARK, Mark(type_name or "", options, description, parameters))
    clean_up, told = options.get("on_timeout"), options.get("on_dead_letter")
    if callable(clean_up) and not mark_of(clean_up):
        register(clean_up, None, None, {})
    if callable(told):
        functions.enqueueable(told)


def find_declarations() -> tuple[dict[str, Mark], list[str]]:
    """The Job Types that code declares, by the dotted path of their handlers, and sentences on code without an import.

    Imports the modules and functions that the hook names. Other decorated functions are not found.
    """
    found: dict[str, Mark] = {}
    unreadable: list[str] = []
    for name in sorted(named_in(HANDLERS_HOOK)):
        try:
            module = config.find_module(name)
            named = list(vars(module).values()) if module else [attribute_of(name)]
        except Exception as error:  # an app's module may raise anything
            text = _("Hook {0}: {1} can't be imported: {2}: {3}")
            unreadable.append(text.format(HANDLERS_HOOK, name, type(error).__name__, error))
            continue
        for function in named:
            declared = mark_of(function)
            if declared and declared.type_name and function.__module__ in (name, name.rpartition(".")[0]):
                found[f"{function.__module__}.{function.__qualname__}"] = declared
    return found, unreadable


def resolve(path: str) -> Handler:
    """The registered handler of this dotted path.

    Imports only modules that an installed app owns or the hook names. Raises UnknownHandlerError with advice if it
    is not registered, can't be imported or does not take one context.
    """
    path = (path or "").strip()
    function = find(path, HANDLERS_HOOK)
    if not (path in named_in(HANDLERS_HOOK) or mark_of(function)):
        text = _("{0} is not a registered job handler: decorate it with @job_handler, or name it in the hook {1}.")
        raise UnknownHandlerError(text.format(path, HANDLERS_HOOK))
    if problem := signature_problem(function):
        raise UnknownHandlerError(_("Handler {0}: {1}").format(path, problem))
    return function


def declared_of(path: str) -> Declared | None:
    """The declaration of the parameters of this path's handler, or None.

    Raises what `resolve` raises, and UnknownHandlerError if a type can't be used.
    """
    handler = resolve(path)
    try:
        return declared_by(handler)
    except Exception as error:  # pydantic has many of its own
        first_line = str(error).partition("\n")[0]
        reason = f"{type(error).__name__}: {first_line}"
        raise UnknownHandlerError(_("Handler {0}: its parameters can't be read: {1}").format(path, reason)) from error


def signature_problem(function: Any) -> str | None:
    """Why `function` can't be a handler; None if it can."""
    if not inspect.isfunction(function):
        return _("a handler must be a plain function: write def, not a class")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        return _("a handler can't be a coroutine or a generator")
    try:
        further_arguments(function)
    except TypeError as error:
        return str(error)
    return None


# Parameters that are given to a handler ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checked:
    """Parameters that fit their handler."""

    text: str
    """The text for the row: canonical JSON, with secrets encrypted."""
    identity: str
    """Canonical JSON that is the same for equal parameters. It tells no secret."""
    shown: Mapping[str, Any]
    """The parameters and their defaults, without secrets."""


def declared_of_type(type_name: str) -> Declared | None:
    """The declared parameters of a type's handler. None also for a type that is gone. Raises UnknownHandlerError."""
    job_type = config.job_type(type_name)
    return declared_of(job_type.handler_method) if job_type else None


def schema_of(job_type: JobType) -> dict[str, Any] | None:
    """The JSON Schema of the parameters: that of the Job Type, else of its handler, else None."""
    if own := canonical.load(job_type.get("parameters_schema")):
        return cast(dict[str, Any], own)
    try:
        declared = declared_of(job_type.handler_method)
    except UnknownHandlerError:  # its app is gone
        return None
    return declared.schema if declared else None


def secrets_of(type_name: str) -> frozenset[str]:
    """The names of a Job Type's secret parameters. None of a type that is gone. Raises UnknownHandlerError."""
    declared = declared_of_type(type_name)
    return declared.secrets if declared else frozenset()


def shown_parameters(type_name: str, parameters: Any) -> Any:
    """Stored parameters as they are shown, with dots in place of secrets, also if the handler can't be imported now."""
    try:
        names = secrets_of(type_name) if parameters else frozenset()
    except UnknownHandlerError:
        names = frozenset()
    return secret_values.masked(parameters, names)


def check_parameters(given: Any, declared: Declared | None, owner: str, settings: Settings) -> Checked:
    """Check the parameters. Raises InvalidJobError unless they are what the handler declares.

    `owner`: the user as whom the job runs.
    """
    names = declared.secrets if declared else frozenset[str]()
    if isinstance(given, Mapping):  # what else it may be, canonical JSON refuses
        given = secret_values.veiled(given, names)
    has_secrets = bool(names) and isinstance(given, Mapping)
    stored = canonical.canonical_json(secret_values.sealed(given, names, sealing.seal) if has_secrets else given)
    limit = settings.max_parameter_bytes
    if len(stored) > limit:  # in bytes, since JSON is ASCII here
        text = _("The parameters are {0} bytes as JSON; at most {1} are allowed. Put large data in a File instead.")
        raise InvalidJobError(text.format(len(stored), limit))
    if declared:
        declared.check(given or {}, stored)
    if not has_secrets:
        return Checked(stored, stored, with_defaults(given or {}, declared))
    # Those of two owners differ: who guesses another user's secret must not learn from a duplicate that it is right.
    hidden = secret_values.sealed(given, names, lambda secret: sealing.fingerprint(f"{owner}\n{secret}"))
    identity = canonical.canonical_json(hidden)
    return Checked(stored, identity, with_defaults(secret_values.masked(given), declared))


def with_defaults(given: Mapping[str, Any], declared: Declared | None) -> Mapping[str, Any]:
    """The parameters that a handler gets, for those who read them."""
    return {**declared.defaults, **given} if declared else given
