"""Code that a hook names: found by its path, or an error that says which part of the path is wrong.

For checks of hooks. It imports the modules of a path, whichever app owns them.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any

import frappe
from frappe import _

from ..errors import UnknownHandlerError
from ..lib import config
from ..lib.modules import find_module
from ..lib.texts import as_sentence, cut, describe_unknown, is_path

WILDCARDS = frozenset("*?[")


def check_function(path: Any) -> None:
    """Raise UnknownHandlerError unless a value is the dotted path of a function."""
    if not isinstance(path, str) or not is_path(path):
        text = _("{0} is no dotted path: write it like {1}.")
        raise UnknownHandlerError(text.format(cut(path), "your_app.jobs.note_failure"))
    if len(path) > config.LONGEST_NAME:
        text = _("{0} is longer than {1} characters. Shorten the function's path.")
        raise UnknownHandlerError(text.format(cut(path), config.LONGEST_NAME))
    if not callable(find(path)):
        raise UnknownHandlerError(_("{0} is no function. Name one.").format(path))


def check_module_or_function(path: Any) -> None:
    """Raise UnknownHandlerError unless a value is the path of a module or function."""
    if not isinstance(path, str) or not all(part.isidentifier() for part in path.split(".")):
        text = _("{0} is no module: write it like {1}.")
        raise UnknownHandlerError(text.format(cut(path), "your_app.jobs"))
    find(path, takes_modules=True)


def check_pattern(pattern: Any) -> None:
    """Raise UnknownHandlerError if a pattern of functions' paths can match none.

    Modules below a package are not searched.
    """
    if not isinstance(pattern, str) or not WILDCARDS & set(pattern):
        check_function(pattern)
        return
    parts = pattern.split(".")
    fixed = next(number for number, part in enumerate(parts) if WILDCARDS & set(part))
    if not fixed:
        return
    module = ".".join(parts[:fixed])
    check_module_or_function(module)
    found = find(module, takes_modules=True)
    is_alone = isinstance(found, ModuleType) and not hasattr(found, "__path__") and fixed == len(parts) - 1
    if is_alone and not any(fnmatchcase(name, parts[-1]) for name in _own_functions(found)):
        raise UnknownHandlerError(_("{0} matches no function of {1}. Correct it.").format(pattern, module))


def find(path: str, *, takes_modules: bool = False) -> Any:
    """The function, method or class of a path, also the module if it may name one.

    Raises UnknownHandlerError that names the first wrong part, or the error of an import.
    """
    parts, owner, above = path.split("."), None, ""
    for number, part in enumerate(parts, 1):
        is_last = number == len(parts)
        here = f"{above}.{part}" if above else part
        found = getattr(owner, part, None) if is_last else None
        if found is None and (takes_modules or not is_last):
            found = _module(here)
        if found is None:
            found = getattr(owner, part, None)
        if found is None:
            raise UnknownHandlerError(_missing(path, part, above, owner))
        owner, above = found, here
    return owner


def _module(name: str) -> ModuleType | None:
    """The module of this name. None if there is none. Raises UnknownHandlerError if it can't be imported."""
    try:
        return find_module(name)
    except Exception as error:
        text = _("{0} can't be imported: {1}: {2} Correct the module.")
        raise UnknownHandlerError(text.format(name, type(error).__name__, as_sentence(str(error)))) from error


def _missing(path: str, part: str, above: str, owner: Any) -> str:
    """The text about a part that is not in what stands above it in the path."""
    known = _names_in(owner) if above else frappe.get_installed_apps()
    wrong = as_sentence(describe_unknown([part], known, lists_known=False))
    if part == path:
        return _("{0} Correct the name.").format(wrong)
    if not above:
        return _("{0} does not exist. {1} Correct the name.").format(path, wrong)
    return _("{0} does not exist. In {1}, {2} Correct the name.").format(path, above, wrong)


def _names_in(owner: Any) -> list[str]:
    """The names of functions and classes in a module or class, and of the modules in a package."""
    modules = [module.name for module in pkgutil.iter_modules(getattr(owner, "__path__", None) or [])]
    return [*modules, *(name for name in dir(owner) if callable(inspect.getattr_static(owner, name, None)))]


def _own_functions(module: ModuleType) -> Iterator[str]:
    """The names of the functions that a module defines."""
    for name, value in vars(module).items():
        if callable(value) and getattr(value, "__module__", None) == module.__name__:
            yield name
