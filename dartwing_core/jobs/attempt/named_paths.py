"""Which dotted paths may be imported, and what they name: a function, or a method of a handler that is a class."""

from __future__ import annotations

import importlib
from typing import Any

import frappe

HOOK = "background_job_handlers"


def named_paths() -> set[str]:
    """The functions and modules that apps and the site's configuration name in the hook."""
    return {*frappe.get_hooks(HOOK), *(frappe.conf.get(HOOK) or [])}


def is_nameable(path: str) -> bool:
    """Whether the module of `path` may be imported: it is named, or belongs to an installed app."""
    named = named_paths()
    module = path.rpartition(".")[0]
    is_named = not named.isdisjoint((path, module, module.rpartition(".")[0]))  # the last: a method of a class
    return is_named or path.split(".")[0] in frappe.get_installed_apps()


def attribute_of(path: str) -> Any:
    """The function of this dotted path. None if its module has none of this name. Raises ImportError.

    The path of a method goes on behind that of its class.
    """
    owner, _dot, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(owner), name, None)
    except ModuleNotFoundError as error:
        module, _dot, class_name = owner.rpartition(".")
        if error.name != owner or not module:
            raise
        handler = getattr(importlib.import_module(module), class_name, None)
        if handler is None:
            raise
        return getattr(handler, name, None)
