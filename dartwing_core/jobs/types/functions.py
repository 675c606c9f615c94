"""What a dotted path names, and the functions that `enqueue` runs: those that an app registers.

It does so by a decorator, or in the hook `background_job_functions` by patterns of dotted paths, such as
`your_app.tasks.*`. For code outside any app, site_config.json may hold a list of the same name, as it may for the hook
`background_job_handlers`. Functions that hooks name for events are registered too.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import frappe
from frappe import _
from frappe.model.base_document import get_controller

from ..errors import CodeMissingError, HandlerImportError, UnknownHandlerError
from ..job import event_jobs
from ..lib import config
from ..lib.texts import cut, is_path

HANDLERS_HOOK, HOOK = "background_job_handlers", "background_job_functions"
JOB_TYPE, HANDLER = config.ENQUEUED, "dartwing_core.handlers.enqueued.enqueued_function"
_MARK = "__enqueueable__"
F = TypeVar("F", bound=Callable[..., Any])


def enqueueable(function: F) -> F:
    """Decorator: `enqueue` may run this function."""
    setattr(function, _MARK, True)
    return function


def path_of(function: Callable[..., Any] | str) -> str:
    """The dotted path of a function, which others may not find by it."""
    if isinstance(function, str):
        return function.strip()
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"


def resolve(path: str) -> Callable[..., Any]:
    """The registered function of this dotted path. Raises UnknownHandlerError with advice for any other.

    Imports only modules that a pattern names or an installed app owns. A pattern names no function that its module
    has imported from elsewhere; its path alone does.
    """
    patterns, for_events = named_in(HOOK), event_jobs.named_functions()
    is_named = path in for_events or any(fnmatchcase(path, pattern) for pattern in patterns)
    function = find(path, HOOK, is_named=is_named)
    is_of_its_module = getattr(function, "__module__", None) == path.rpartition(".")[0]
    is_registered = is_named and (is_of_its_module or path in patterns | for_events)
    if callable(function) and (is_registered or getattr(function, _MARK, False) is True):
        return function
    text = _("{0} is not a registered function: decorate it with @enqueueable, or name it in the hook {1} of your app.")
    raise UnknownHandlerError(text.format(path, HOOK))


def method_of(doctype: str, method: str) -> Callable[..., Any]:
    """The method of the DocType's class, which marks it by `@enqueueable`. Raises UnknownHandlerError for any other."""
    with _importing(f"{cut(doctype)}.{cut(method)}"):
        found: Any = getattr(get_controller(doctype), method)
    if getattr(found, _MARK, False) is not True:
        text = _("{0} of {1} is not registered: decorate the method with @enqueueable.")
        raise UnknownHandlerError(text.format(cut(method), cut(doctype)))
    return found


def problems_of_events() -> Iterator[str]:
    """Sentences about the hooks of events: about what is no event, and no function. Imports what they name.

    Changes of jobs pass over them, so that a wrong hook fails no change.
    """
    for hook, known in ((event_jobs.HOOK, event_jobs.EVENTS), (event_jobs.BATCH_HOOK, event_jobs.BATCH_EVENTS)):
        declared = config.hook(hook) or {}
        is_by_type = hook == event_jobs.HOOK and isinstance(declared, Mapping)
        for by_event in declared.values() if is_by_type else [declared]:
            if not isinstance(by_event, Mapping):
                yield _("Hook {0}: {1} must be a dict of events and functions.").format(hook, by_event)
                continue
            for event, paths in by_event.items():
                if event not in known:
                    text = _("Hook {0}: {1} is not an event. Use one of: {2}.")
                    yield text.format(hook, event, ", ".join(sorted(known)))
                for path in paths if isinstance(paths, list) else [paths]:
                    try:
                        resolve(str(path))
                    except UnknownHandlerError as error:
                        yield _("Hook {0}: {1}").format(hook, error)


# Dotted paths -------------------------------------------------------------------------------------------------------


def named_in(hook: str) -> set[str]:
    """The paths that apps name in a hook, and the site's configuration in a list of the same name."""
    return {*(config.hook(hook) or []), *(frappe.conf.get(hook) or [])}


def find(path: str, hook: str, *, is_named: bool = False) -> Any:
    """What a dotted path names. Imports only modules of installed apps, and those that hooks name.

    `hook`: the one that could name the path. `is_named`: whether it does. Raises UnknownHandlerError.
    """
    if not is_path(path):
        text = _("{0} is not a dotted path: write it like your_app.jobs.send_statement.")
        raise UnknownHandlerError(text.format(path or _("An empty name")))
    module, _dot, name = path.rpartition(".")
    is_named = is_named or not named_in(HANDLERS_HOOK).isdisjoint({path, module})
    if not is_named and path.partition(".")[0] not in frappe.get_installed_apps():
        text = _("{0} is not registered: the app {1} is not installed. Install it, or name {0} in the hook {2}.")
        raise UnknownHandlerError(text.format(path, path.partition(".")[0], hook))
    with _importing(module):
        found = importlib.import_module(module)
    with _importing(path):
        return getattr(found, name)


@contextmanager
def _importing(name: str) -> Iterator[None]:
    """Turn errors of this block, which imports what has this name, into HandlerImportError."""
    try:
        yield
    except Exception as error:  # an app's module may raise anything
        text = _("{0} can't be imported. Deploy it, restart the workers, or check its name. {1}: {2}")
        raise HandlerImportError(text.format(name, type(error).__name__, error)) from error


def find_to_run(look_up: Callable[..., F], *names: str) -> F:
    """What a look-up finds for a running job. Raises CodeMissingError, so that the job waits for a deploy.

    The handler's own look-ups do not: a job that submits another one has begun its work, and fails by their error.
    """
    try:
        return look_up(*names)
    except HandlerImportError as error:
        raise CodeMissingError(str(error)) from error


def attribute_of(path: str) -> Any:
    """What a module has under this name. Raises what its import raises."""
    module, _dot, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
