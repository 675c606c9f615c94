"""The registry of job handlers: the only functions that the engine runs.

A function is registered by the decorator `@job_handler` or by its dotted path in the hook
`background_job_handlers` of an installed app. The hook may also name a module, which is then imported for the
decorated functions in it. For code outside any app, site_config.json may hold a list of the same name.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, get_type_hints, overload

import frappe
from frappe import _

from ..errors import UnknownHandlerError

HOOK = "background_job_handlers"
_MARK = "__background_job_handler__"
_PARAMETERS = "__background_job_parameters__"

Handler = Callable[[Any], "dict[str, Any] | None"]


@overload
def job_handler(function: Handler) -> Handler: ...


@overload
def job_handler(*, parameters: type) -> Callable[[Handler], Handler]: ...


def job_handler(function: Handler | None = None, *, parameters: type | None = None) -> Any:
    """Decorator: a Job Type may name this function, `handler(context) -> dict | None`, as its handler.

    `parameters`: a dataclass, TypedDict or pydantic model of what it takes, of which Desk makes the dialog to run
    such a job; a text in an `Annotated` type is a field's description.
    Raises TypeError if it can't be called with just a context.
    """

    def mark(function: Handler) -> Handler:
        if problem := signature_problem(function):
            raise TypeError(f"{function.__module__}.{function.__qualname__}: {problem}")
        setattr(function, _MARK, True)
        setattr(function, _PARAMETERS, parameters)
        return function

    return mark(function) if function is not None else mark


def parameters_schema(path: str) -> dict[str, Any] | None:
    """The JSON Schema of the parameters that this path's handler has declared. None if it has declared none."""
    declared = getattr(resolve(path), _PARAMETERS, None)
    if declared is None:
        return None
    from pydantic import TypeAdapter  # late: its import takes time, and no worker needs it

    schema = TypeAdapter(declared).json_schema()
    for name, hint in get_type_hints(declared, include_extras=True).items():
        described = schema.get("properties", {}).get(name, {})
        texts = [text for text in getattr(hint, "__metadata__", ()) if isinstance(text, str)]
        if texts:
            described.setdefault("description", texts[0])
    return schema


def resolve(path: str) -> Handler:
    """The registered handler of this dotted path.

    Imports only modules that an installed app owns or the registry names. Raises UnknownHandlerError with advice if it
    is not registered, can't be imported or does not take one context.
    """
    path = (path or "").strip()
    if not is_nameable(path):
        raise _unknown(path)
    try:
        function = _attribute(path)
    except Exception as error:
        raise UnknownHandlerError(
            _("Handler {0} can't be imported: {1}: {2}").format(path, type(error).__name__, error)
        ) from error
    if function is None or not (path in _named() or is_marked(function)):
        raise _unknown(path)
    if problem := signature_problem(function):
        raise UnknownHandlerError(_("Handler {0}: {1}").format(path, problem))
    return function


def is_marked(function: Any) -> bool:
    """Whether the decorator was applied to `function`."""
    return callable(function) and getattr(function, _MARK, False) is True


def is_nameable(path: str) -> bool:
    """Whether the module of `path` may be imported: it is named, or belongs to an installed app."""
    if not all(part.isidentifier() for part in path.split(".")) or "." not in path:
        return False
    named = _named()
    module = path.rpartition(".")[0]
    return path in named or module in named or path.split(".")[0] in frappe.get_installed_apps()


def signature_problem(function: Any) -> str | None:
    """Why `function` can't be called as `function(context)`; None if it can."""
    if not inspect.isfunction(function):
        return _("a handler must be a plain function")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        return _("a handler can't be a coroutine or a generator")
    if not _takes_one_argument(function):
        return _("a handler takes exactly one argument, the job's context")
    return None


@lru_cache(maxsize=1024)
def _takes_one_argument(function: Any) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    return True


def _named() -> set[str]:
    return {*frappe.get_hooks(HOOK), *(frappe.conf.get(HOOK) or [])}


def _attribute(path: str) -> Any:
    module_name, _dot, name = path.rpartition(".")
    return getattr(importlib.import_module(module_name), name, None)


def _module(name: str) -> Any:
    """The module of this name, or None if the name is a function's."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (error.name == name or name.startswith(f"{error.name}.")):
            return None
        raise


def _unknown(path: str) -> UnknownHandlerError:
    return UnknownHandlerError(
        _(
            "{0} is not a registered job handler. Decorate the function with @job_handler, or name it in the hook {1}."
        ).format(path or _("An empty name"), HOOK)
    )
