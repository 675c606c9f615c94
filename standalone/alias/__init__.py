"""`import frappe` on a machine without a bench: monoframe under Frappe's name, with what it cut out put back.

monoframe 0.0.1 is Frappe's develop branch renamed and reduced to one app and one site. The real thing is in it
(documents, permissions, queries, background jobs, REST), so an app runs on it once names, apps, sites and a few broken
parts are restored. Nothing in the installed package is edited: the modules here replace names from outside, and say at
each what is wrong as published.
"""

# ruff: noqa: ARG002  (importlib's signatures)

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "frappe.modules": "monoframe.model.module_utils",
    "frappe.modules.utils": "monoframe.model.module_utils",
    "frappe.modules.import_file": "monoframe.model.import_doc",
    "frappe.commands": "standalone.alias.commands",
    "frappe.commands.scheduler": "standalone.alias.commands",
}
"""Frappe's module, and where the fork moved it, or our stand-in where the fork dropped it."""
MISSING = (
    *("googleapiclient", "googleapiclient.discovery", "googleapiclient.errors", "googleapiclient.http"),
    *("google", "google.oauth2", "google.oauth2.credentials", "google.auth", "google.auth.transport"),
    *("google.auth.transport.requests", "google_auth_oauthlib", "google_auth_oauthlib.flow"),
)
"""An extra that core DocTypes import at module level."""


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers for `frappe` and everything below it with the fork's modules: both names are one object."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] != "frappe":
            return None
        try:
            module = importlib.import_module(MOVED.get(name) or f"monoframe{name.removeprefix('frappe')}")
        except ModuleNotFoundError:
            return None
        is_package = hasattr(module, "__path__") or any(moved.startswith(f"{name}.") for moved in MOVED)
        return importlib.util.spec_from_loader(name, self, is_package=is_package, origin=module.__name__)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = sys.modules[spec.origin or ""]
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = module.__spec__ and module.__spec__.loader_state  # importlib has just put the alias' there


class Missing(ModuleType):
    """A module that is not installed: any name in it is an exception class nobody raises."""

    __path__ = ()

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


_installed = False


def install() -> None:
    """Make `import frappe` work in this process. Call it before the first `import frappe`; twice does no harm."""
    global _installed
    if _installed:
        return
    _installed = True
    for name in MISSING:
        sys.modules.setdefault(name, Missing(name))
    # after_install imports this module, which the wheel does not ship.
    generators = ModuleType("monoframe.tests.utils.generators")
    generators._clear_test_log = lambda: None  # type: ignore[attr-defined]
    sys.modules[generators.__name__] = generators
    sys.meta_path.insert(0, Finder())
    importlib.import_module("monoframe")
    # monoframe.app imports the mysqlclient driver whatever the configuration says; PyMySQL's has the same classes.
    os.environ.setdefault("MONOFRAME_USE_MYSQLCLIENT", "0")
    driver = importlib.import_module("monoframe.database.mariadb.database")
    sys.modules.setdefault("monoframe.database.mariadb.mysqlclient", driver)
    for part in ("site", "apps", "installer", "running"):  # a site must be there before apps can be looked up
        importlib.import_module(f"{__name__}.{part}").apply()
