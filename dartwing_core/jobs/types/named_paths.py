"""Which dotted paths may be imported, and what they name: a function, or a method of a handler that is a class."""

from __future__ import annotations

import importlib
from typing import Any

import frappe
from frappe import _

from ..lib import config
from ..lib.modules import is_missing
from ..lib.texts import is_path

HOOK = "background_job_handlers"


def named_paths() -> set[str]:
    """The functions and modules that the registry of handlers names."""
    return named_in(HOOK)


def named_in(hook: str) -> set[str]:
    """The paths that apps name in a hook, and the site's configuration in a list of the same name."""
    return {*(config.hook(hook) or []), *(frappe.conf.get(hook) or [])}


def is_nameable(path: str) -> bool:
    """Whether the module of `path` may be imported: it is named, or belongs to an installed app."""
    named = named_paths()
    module = path.rpartition(".")[0]
    owner, _dot, last = module.rpartition(".")
    is_method = last[:1].isupper() and owner in named  # of a handler that is a class
    is_named = path in named or module in named or is_method
    return is_named or path.split(".")[0] in frappe.get_installed_apps()


def find_problem(path: str, hook: str, named: str, example: str) -> str | None:
    """Why no module may be imported for a path. None if one may. `named`: what the hook could name to allow it."""
    if not is_path(path):
        return _("write it like {0}.").format(example)
    if not is_nameable(path):
        advice = _("the app {0} is not installed on this site. Install it, or name {1} in the hook {2}.")
        return advice.format(path.partition(".")[0], named, hook)
    return None


def find_missing_module(path: str, error: Exception) -> str | None:
    """Which module of a path is missing, by the error of its import. None if the error says something else."""
    module = path.rpartition(".")[0]
    if is_missing(module, error):
        return _("there is no module {0}. Check its name.").format(module)
    return None


def missing_function(path: str) -> str:
    """The advice for a path whose module has no such function."""
    module, _dot, name = path.rpartition(".")
    return _("the module {0} has no function {1}. Check its name.").format(module, name)


def attribute_of(path: str) -> Any:
    """The function of this dotted path. None if its module has none of this name. Raises ImportError.

    The path of a method goes on behind that of its class.
    """
    owner, _dot, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(owner), name, None)
    except ModuleNotFoundError as error:
        if "." not in owner or not is_missing(owner, error):
            raise
        handler = attribute_of(owner)
        if handler is None:
            raise
        return getattr(handler, name, None)
