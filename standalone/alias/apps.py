"""Several apps on one site restored. The fork answers every question about apps with "monoframe"."""

# ruff: noqa: ARG001  (Frappe's signatures)

from __future__ import annotations

import json
import os
import types
from typing import Any

import monoframe
from monoframe.utils.caching import request_cache

from .site import sites_path as current_sites_path

CORE = "monoframe"


def real(app: str) -> str:
    """`frappe` under the name it has here."""
    return CORE if app == "frappe" else app


def get_all_apps(with_internal_apps: bool = True, sites_path: str | None = None) -> list[str]:
    """The apps of the bench, the framework first."""
    listed = monoframe.get_file_items(os.path.join(sites_path or current_sites_path(), "apps.txt"))
    return [CORE, *(app for app in map(real, listed) if app != CORE)]


@request_cache
def get_installed_apps(*, _ensure_on_bench: bool = False) -> list[str]:
    if getattr(monoframe.flags, "in_install_db", True):
        return []
    if not monoframe.db:
        monoframe.connect()
    installed = json.loads(monoframe.db.get_global("installed_apps") or "[]")
    return [app for app in installed if app in get_all_apps()] if _ensure_on_bench else installed


def get_app_path(app_name: str, *joins: str) -> str:
    return monoframe.get_pymodule_path(real(monoframe.scrub(app_name)), *joins)


def get_module_list(app_name: str = CORE) -> list[str]:
    return monoframe.get_file_items(get_app_path(app_name, "modules.txt"))


def load_app_hooks(app_name: str | None = None) -> dict[str, Any]:
    """The `hooks.py` of one app, or of all installed ones merged in their order."""
    hooks: dict[str, Any] = {}
    for app in [real(app_name)] if app_name else get_installed_apps(_ensure_on_bench=True):
        for key, value in vars(monoframe.get_module(f"{app}.hooks")).items():
            if not key.startswith("_") and not isinstance(value, (types.ModuleType, types.FunctionType, type)):
                monoframe.append_hook(hooks, key, value)
    return hooks


def get_hooks(hook: str | None = None, default: Any = "_KEEP_DEFAULT_LIST", app_name: str | None = None) -> Any:
    """`frappe.get_hooks`; the fork's lacks `app_name` and reads one file."""
    if app_name or monoframe.local.conf.developer_mode:
        hooks = load_app_hooks(app_name)
    else:
        hooks = monoframe.client_cache.get_value("app_hooks")
        if hooks is None:
            hooks = load_app_hooks()
            monoframe.client_cache.set_value("app_hooks", hooks)
    if hook:
        return hooks.get(hook, ([] if default == "_KEEP_DEFAULT_LIST" else default))
    return monoframe._dict(hooks)


def setup_module_map(include_all_apps: bool = True) -> None:
    """Which app each module belongs to. Always for all apps: narrowing it inside a request makes connect() recurse."""
    modules = {app: [monoframe.scrub(m) for m in get_module_list(app)] for app in get_all_apps()}
    monoframe.local.app_modules = modules
    monoframe.local.module_app = {module: app for app, names in modules.items() for module in names}


def clear_installed_apps() -> None:
    """Forget what was remembered about the installed apps, after that list has changed."""
    monoframe.local.request_cache.clear()
    monoframe.client_cache.delete_value("app_hooks")
    monoframe.local.doc_events_hooks = None


def apply() -> None:
    for function in (get_all_apps, get_installed_apps, get_app_path, get_module_list, get_hooks, setup_module_map):
        setattr(monoframe, function.__name__, function)
    monoframe._load_app_hooks = load_app_hooks
