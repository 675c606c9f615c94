"""The registry of job handlers: the only functions that the engine runs.

A function is registered by the decorator `@job_handler` or by its dotted path in the hook
`background_job_handlers` of an installed app. The hook may also name a module, which is then imported for the
decorated functions in it. For code outside any app, site_config.json may hold a list of the same name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UnknownHandlerError
from ..lib.modules import find_module
from ..lib.texts import translate as _
from . import functions, named_paths
from .declaration import Declaration, declare
from .named_paths import HOOK, attribute_of
from .parameters import MARK, Declared, declared_by, further_arguments

_MARK, _DECLARED = "__background_job_handler__", "__background_job_type__"

Handler = Callable[..., "dict[str, Any] | None"]


def register(function: Handler, type_name: str | None, parameters: type | None, options: Mapping[str, Any]) -> None:
    """Mark a function as a handler, with the arguments of its `@job_handler`. Raises TypeError."""
    if inspect.isfunction(function):
        setattr(function, MARK, parameters)
    if problem := signature_problem(function):
        raise TypeError(f"{function.__module__}.{function.__qualname__}: {problem}")
    if options and not type_name:
        raise TypeError(_("Name the Job Type as well: @job_handler({0}, …)").format(f'"{function.__name__}"'))
    clean_up, told = options.get("on_timeout"), options.get("on_dead_letter")
    if callable(clean_up) and not is_marked(clean_up):
        register(clean_up, None, None, {})
    if callable(told):
        functions.enqueueable(told)
    setattr(function, _MARK, True)
    setattr(function, _DECLARED, declare(function, type_name, options) if type_name else None)


def find_declarations() -> tuple[dict[str, Declaration], list[str]]:
    """The Job Types that code declares, by the dotted path of their handlers, and sentences on code without an import.

    Imports the modules and functions that the registry names. Other decorated functions are not found.
    """
    found: dict[str, Declaration] = {}
    unreadable: list[str] = []
    for name in sorted(named_paths.named_paths()):
        try:
            module = find_module(name)
            named = list(vars(module).values()) if module else [attribute_of(name)]
        except Exception as error:
            unreadable.append(_("{0} can't be imported: {1}: {2}").format(name, type(error).__name__, error))
            continue
        if named == [None]:
            unreadable.append(_("{0}: {1}").format(name, named_paths.missing_function(name)))
        for function in named:
            declaration = declaration_of(function)
            if declaration and function.__module__ in (name, name.rpartition(".")[0]):
                found[f"{function.__module__}.{function.__qualname__}"] = declaration
    return found, unreadable


def declaration_of(function: Any) -> Declaration | None:
    """The Job Type that a handler declares. None if it is no handler, or declares none."""
    return getattr(function, _DECLARED, None) if is_marked(function) else None


def resolve(path: str) -> Handler:
    """The registered handler of this dotted path.

    Imports only modules that an installed app owns or the registry names. Raises UnknownHandlerError with advice if it
    is not registered, can't be imported or does not take one context.
    """
    path = (path or "").strip()
    if problem := named_paths.find_problem(path, HOOK, path.rpartition(".")[0], "your_app.jobs.send_statement"):
        raise _unknown(path, problem)
    try:
        function = attribute_of(path)
    except Exception as error:
        if problem := named_paths.find_missing_module(path, error):
            raise _unknown(path, problem) from error
        raise UnknownHandlerError(
            _("Handler {0} can't be imported: {1}: {2}").format(path, type(error).__name__, error)
        ) from error
    if function is None:
        raise _unknown(path, named_paths.missing_function(path))
    if not (path in named_paths.named_paths() or is_marked(function)):
        raise _unknown(path, _("decorate it with @job_handler, or name it in the hook {0}.").format(HOOK))
    if problem := signature_problem(function):
        raise UnknownHandlerError(_("Handler {0}: {1}").format(path, problem))
    return function


def declared_of(handler: Handler, name: str) -> Declared | None:
    """The declaration of a handler's parameters, or None. Raises UnknownHandlerError if a type can't be used.

    `name`: the handler's name in the error.
    """
    try:
        return declared_by(handler)
    except Exception as error:  # pydantic has many of its own
        reason = f"{type(error).__name__}: {error}"
        raise UnknownHandlerError(_("Handler {0}: its parameters can't be read: {1}").format(name, reason)) from error


def parameters_schema(path: str) -> dict[str, Any] | None:
    """The JSON Schema of the parameters that this path's handler declares. None if it declares nothing."""
    declared = declared_of(resolve(path), path)
    return declared.schema if declared else None


def is_marked(function: Any) -> bool:
    """Whether the decorator was applied to `function`."""
    return callable(function) and getattr(function, _MARK, False) is True


def signature_problem(function: Any) -> str | None:
    """Why `function` can't be a handler; None if it can."""
    if not inspect.isfunction(function):
        return _("a handler must be a plain function")
    inner = inspect.unwrap(function)  # the method of a class
    if inspect.iscoroutinefunction(inner) or inspect.isgeneratorfunction(inner):
        return _("a handler can't be a coroutine or a generator")
    try:
        further_arguments(function)
    except TypeError as error:
        return str(error)
    return None


def _unknown(path: str, advice: str) -> UnknownHandlerError:
    text = _("{0} is not a registered job handler: {1}")
    return UnknownHandlerError(text.format(path or _("An empty name"), advice))
