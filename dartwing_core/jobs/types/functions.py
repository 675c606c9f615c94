"""Functions that `enqueue` runs: those that an app registers, by the decorator or by a pattern in a hook.

The hook `background_job_functions` holds patterns of dotted paths, such as `your_app.tasks.*`. For code outside any
app, site_config.json may hold a list of the same name. Functions that hooks name for events are registered too.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, TypeVar, get_type_hints

from frappe import _

from ..errors import UnknownHandlerError
from ..job import event_jobs
from ..lib import config
from ..lib.texts import is_path
from . import named_paths
from .declared_secrets import names_secret
from .named_paths import HOOK as HANDLERS_HOOK
from .named_paths import attribute_of, is_nameable, named_in

HOOK = "background_job_functions"
JOB_TYPE, HANDLER = config.ENQUEUED, "dartwing_core.handlers.enqueued.enqueued_function"
_MARK = "__enqueueable__"
F = TypeVar("F", bound=Callable[..., Any])


def enqueueable(function: F) -> F:
    """Decorator: `enqueue` may run this function."""
    setattr(function, _MARK, True)
    return function


def path_of(function: Callable[..., Any] | str) -> str:
    """The dotted path of a function. Raises UnknownHandlerError for one that no other process finds by it."""
    if isinstance(function, str):
        return function.strip()
    path = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    if path.startswith("__main__."):
        raise UnknownHandlerError(_("{0} is in the file that runs: move it into a module of an app.").format(path))
    if not inspect.isfunction(inspect.unwrap(function)) or not is_path(path):
        raise UnknownHandlerError(_("{0} is no function of a module, so no worker finds it.").format(path))
    return path


def resolve(path: str) -> Callable[..., Any]:
    """The registered function of this dotted path. Raises UnknownHandlerError with advice for any other.

    Imports only modules that a pattern names or an installed app owns. A pattern names no function that its module
    has imported from elsewhere; its path alone does.
    """
    patterns, for_events = named_in(HOOK), event_jobs.named_functions()
    is_named = is_path(path) and (path in for_events or any(fnmatchcase(path, pattern) for pattern in patterns))
    if is_named or (is_path(path) and is_nameable(path)):
        function = _import(path)
        if is_named and (path in patterns | for_events or _is_of_its_module(function, path)):
            return function
        if getattr(function, _MARK, False) is True:
            return function
    module, _dot, name = path.rpartition(".")
    if getattr(getattr(sys.modules.get(module), name, None), _MARK, False) is True:
        advice = _("{0} is decorated, but no installed app has its module: name {1} in the hook {2}.")
        raise UnknownHandlerError(advice.format(path, module, HANDLERS_HOOK))
    if problem := named_paths.find_problem(path, HOOK, path, "your_app.tasks.send_reminder"):
        raise _unknown(path, problem)
    advice = _("{0} is not registered. Decorate it with @enqueueable, or name it in the hook {1} of your app.")
    raise UnknownHandlerError(advice.format(path, HOOK))


def takes_secrets(function: Callable[..., Any]) -> bool:
    """Whether an argument of a function is annotated as a Secret."""
    try:
        hints = get_type_hints(inspect.unwrap(function), include_extras=True)
    except Exception:  # of types that are imported for type checkers alone
        hints = getattr(function, "__annotations__", {})
    return any("Secret[" in hint if isinstance(hint, str) else names_secret(hint) for hint in hints.values())


def _import(path: str) -> Callable[..., Any]:
    try:
        function = attribute_of(path)
    except Exception as error:
        if problem := named_paths.find_missing_module(path, error):
            raise _unknown(path, problem) from error
        text = _("{0} can't be imported: {1}: {2}")
        raise UnknownHandlerError(text.format(path, type(error).__name__, error)) from error
    if function is None:
        raise _unknown(path, named_paths.missing_function(path))
    if not callable(function):
        raise UnknownHandlerError(_("{0} is no function.").format(path))
    return function


def _unknown(path: str, advice: str) -> UnknownHandlerError:
    return UnknownHandlerError(_("{0} is not a registered function: {1}").format(path or _("An empty name"), advice))


def _is_of_its_module(function: Callable[..., Any], path: str) -> bool:
    return getattr(function, "__module__", None) == path.rpartition(".")[0]
