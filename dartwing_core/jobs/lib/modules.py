"""Modules that apps name by a text, and may not have."""

from __future__ import annotations

import importlib
from types import ModuleType


def find_module(name: str) -> ModuleType | None:
    """Import the module of this name. None if there is none. Raises the errors of the module itself."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if is_missing(name, error):
            return None
        raise


def is_missing(name: str, error: Exception) -> bool:
    """Whether an import failed since this module, or a package above it, is not there."""
    return isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}.")
