"""Handlers that are classes: `run` is the handler, other methods are what options of the decorator name.

    @job_handler("send_statement", timeout=120)
    class SendStatement:
        def run(self, context: JobContext, customer: str) -> None: ...
        def on_timeout(self, context: JobContext, customer: str) -> None: ...
        def on_dead_letter(self, event: str, job_id: str, **more: str) -> None: ...

Each call has an instance of its own, as each may be in another process.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..lib.texts import translate as _

RUN = "run"
OPTIONAL = ("on_timeout", "on_dead_letter")


def function_of(handler: type) -> tuple[Callable[..., Any], dict[str, Callable[..., Any]]]:
    """The function that stands for a class, and the options that its further methods are.

    The methods are attributes of the function too, so that workers find them by their dotted paths.
    Raises TypeError for a class without the method `run`.
    """
    if not _is_method(handler, RUN):
        raise TypeError(_("{0}: a handler that is a class has a method {1}.").format(handler.__qualname__, RUN))
    for name in OPTIONAL:
        if hasattr(handler, name) and not _is_method(handler, name):
            raise TypeError(_("{0}: {1} is no method of an instance.").format(handler.__qualname__, name))
    try:
        if inspect.isabstract(handler):
            raise TypeError
        inspect.signature(handler).bind()
    except (TypeError, ValueError):
        raise TypeError(
            _("{0}: a handler that is a class is made without arguments.").format(handler.__qualname__)
        ) from None
    function = _calling(handler, RUN, handler.__qualname__)
    function.__doc__ = handler.__doc__ or function.__doc__
    given = [name for name in OPTIONAL if hasattr(handler, name)]
    options = {name: _calling(handler, name, f"{handler.__qualname__}.{name}") for name in given}
    vars(function).update(options)
    return function, options


def _is_method(handler: type, name: str) -> bool:
    """Whether a class has this method, which is no staticmethod or classmethod."""
    return inspect.isfunction(inspect.getattr_static(handler, name, None))


def _calling(handler: type, name: str, qualified_name: str) -> Callable[..., Any]:
    """A function that calls the method of a new instance, with the method's signature."""
    method = getattr(handler, name)

    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(handler(), name)(*arguments, **named)

    signature = inspect.signature(method)
    vars(call)["__signature__"] = signature.replace(parameters=list(signature.parameters.values())[1:])
    call.__module__, call.__qualname__ = handler.__module__, qualified_name
    call.__name__ = qualified_name.rpartition(".")[2]
    return call
