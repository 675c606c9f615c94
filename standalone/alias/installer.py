"""Installing and migrating apps restored. The fork installs only itself."""

# ruff: noqa: ARG001  (Frappe's signatures)

from __future__ import annotations

import json
from typing import Any

import monoframe
from monoframe import installer, patches
from monoframe.core.doctype.scheduled_job_type.scheduled_job_type import sync_jobs
from monoframe.model import sync
from monoframe.model.module_utils import sync_customizations
from monoframe.utils.dashboard import sync_dashboards
from monoframe.utils.fixtures import sync_fixtures

from .apps import CORE, clear_installed_apps, real


def install_app(name: str, verbose: bool = False, set_as_patched: bool = True, force: bool = False) -> None:
    """The steps of Frappe 15's `install-app`, in its order."""
    name = real(name)
    flags = monoframe.flags
    flags.in_install, flags.ignore_in_install = name, False
    monoframe.clear_cache()
    hooks = monoframe.get_hooks(app_name=name)
    if not force and name in monoframe.get_installed_apps():
        return
    print(f"\nInstalling {name}...")
    _call(hooks.before_install)
    _call(monoframe.get_hooks("before_app_install"), name)
    if name != CORE:
        installer.add_module_defs(name, ignore_if_duplicate=force)
    sync.sync_for(name, force=force, reset_permissions=True)
    installer.add_to_installed_apps(name)
    monoframe.get_doc("Portal Settings", "Portal Settings").sync_menu()
    if set_as_patched:
        installer.set_all_patches_as_completed(name)
    _call(hooks.after_install)
    _call(monoframe.get_hooks("after_app_install"), name)
    sync_jobs()
    sync_fixtures(name)
    sync_customizations(name)
    sync_dashboards(name)
    _call(hooks.after_sync)
    monoframe.clear_cache()
    clear_installed_apps()
    flags.in_install = False


def _call(methods: list[str] | None, *args: Any) -> None:
    for method in methods or []:
        monoframe.get_attr(method)(*args)


def add_to_installed_apps(app_name: str, rebuild_website: bool = True) -> None:
    """The list of installed apps lives in the database again. In the fork this records nothing."""
    apps = monoframe.get_installed_apps()
    if app_name not in apps:
        monoframe.db.set_global("installed_apps", json.dumps([*apps, app_name]))
        monoframe.db.commit()
        clear_installed_apps()
    if monoframe.flags.in_install:
        installer.post_install(rebuild_website)


def sync_all(force: int = 0, reset_permissions: bool = False) -> None:
    """Sync the DocTypes of all installed apps. The fork syncs its own only."""
    patches._patch_mode(True)
    for app in monoframe.get_installed_apps():
        sync.sync_for(app, force, reset_permissions=reset_permissions)
    patches._patch_mode(False)
    monoframe.clear_cache()


def apply() -> None:
    installer.install_app = install_app
    installer.add_to_installed_apps = add_to_installed_apps
    sync.sync_all = sync_all
