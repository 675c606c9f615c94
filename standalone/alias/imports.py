"""The finder behind `import frappe`, and stand-ins for modules that monoframe imports but that are not there."""

# ruff: noqa: ARG002  (importlib's signatures)

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

CORE = "monoframe"

# Frappe's module -> where the fork moved it, or our stand-in where the fork dropped it.
MOVED = {
    "frappe.modules": "monoframe.model.module_utils",
    "frappe.modules.utils": "monoframe.model.module_utils",
    "frappe.modules.import_file": "monoframe.model.import_doc",
    "frappe.modules.export_file": "monoframe.model.export",
    "frappe.modules.patch_handler": "monoframe.patches",
    "frappe.frappeclient": "monoframe.monoframeclient",
    "frappe.commands": "standalone.alias.commands",
    "frappe.commands.scheduler": "standalone.alias.scheduler_command",
}


def target_of(name: str) -> str:
    """The real module behind a `frappe` name."""
    return MOVED.get(name) or CORE + name[len("frappe") :]


class Loader(importlib.abc.Loader):
    """Gives importlib the module that exists already, so that both names are one object."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # importlib has just put the alias' spec there


class Finder(importlib.abc.MetaPathFinder):
    """Answers for `frappe` and everything below it."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname != "frappe" and not fullname.startswith("frappe."):
            return None
        real = target_of(fullname)
        try:
            found = importlib.util.find_spec(real)
        except ModuleNotFoundError:
            return None
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None or any(m.startswith(fullname + ".") for m in MOVED)
        return importlib.util.spec_from_loader(fullname, Loader(real), is_package=is_package)


class Missing(ModuleType):
    """A module that is not installed: any name in it is an exception class nobody raises."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


def stand_in(names: tuple[str, ...]) -> None:
    """Register `Missing` modules under these names, unless the first of them can be imported."""
    try:
        importlib.import_module(names[0])
    except ImportError:
        for name in names:
            sys.modules.setdefault(name, Missing(name))


def install() -> None:
    """Put the finder first and the stand-ins in place, then import the framework."""
    # The core DocTypes for Google import that optional extra at module level.
    stand_in(
        (
            "googleapiclient",
            "googleapiclient.discovery",
            "googleapiclient.errors",
            "googleapiclient.http",
            "google",
            "google.oauth2",
            "google.oauth2.credentials",
            "google.auth",
            "google.auth.transport",
            "google.auth.transport.requests",
            "google_auth_oauthlib",
            "google_auth_oauthlib.flow",
        )
    )
    # after_install imports this module, which the wheel does not ship.
    generators = ModuleType("monoframe.tests.utils.generators")
    generators._clear_test_log = lambda: None  # type: ignore[attr-defined]
    sys.modules[generators.__name__] = generators

    sys.meta_path.insert(0, Finder())
    importlib.import_module(CORE)

    # monoframe.app imports the mysqlclient driver whatever the configuration says; PyMySQL's has the same classes.
    os.environ.setdefault("MONOFRAME_USE_MYSQLCLIENT", "0")
    driver = importlib.import_module("monoframe.database.mariadb.database")
    sys.modules.setdefault("monoframe.database.mariadb.mysqlclient", driver)
