"""Sites restored: `frappe.init(site)`, `local.site`, `site_config.json`. The fork knows one nameless site, configured
by environment variables alone."""

from __future__ import annotations

import json
import os
from typing import Any

import monoframe
from monoframe import config, utils

# monoframe's own `destroy(); init()` pairs name no site: they must come back to the one they left.
_current = os.environ.get("DW_SITE", "")

_init = monoframe.init
_load_environment = config._load_config


def sites_path() -> str:
    """The bench's `sites` folder: that of the context, else the launcher's, else the current folder as in Frappe."""
    return getattr(monoframe.local, "sites_path", None) or os.environ.get("DW_SITES_PATH") or "."


def current_site() -> str:
    return getattr(monoframe.local, "site", None) or _current


def init(site: str = "", sites_path: str = "", new_site: bool = False, force: bool = False) -> None:
    """`frappe.init` as in Frappe 15. The fork's takes no site."""
    global _current
    if getattr(monoframe.local, "initialised", None) and not force:
        return
    folder = sites_path if sites_path not in ("", ".") else os.environ.get("DW_SITES_PATH") or "."
    name = site or current_site()
    if site:
        _current = site
    monoframe.local.site = name
    monoframe.local.sites_path = folder
    _init(force=True)
    monoframe.local.site_name = name
    monoframe.local.site_path = os.path.join(folder, name)
    monoframe.local.all_apps = None
    monoframe.local.flags.new_site = new_site


def load_config() -> Any:
    """The configuration of the site: common file, site's file, and the two variables that Frappe lets win over both."""
    conf = _load_environment()
    for parts in (("common_site_config.json",), (current_site(), "site_config.json")):
        path = os.path.join(sites_path(), *parts)
        if os.path.isfile(path):
            with open(path) as file:
                conf.update(json.load(file))
    for key in ("redis_queue", "redis_cache"):
        conf[key] = os.environ.get(f"FRAPPE_{key.upper()}") or conf[key]
    return conf


def get_sites(sites_path: str | None = None) -> list[str]:
    """Every site of the bench. The fork always answers ["monoframe"]."""
    folder = sites_path or globals()["sites_path"]()
    return sorted(n for n in os.listdir(folder) if os.path.isfile(os.path.join(folder, n, "site_config.json")))


def get_bench_path() -> str:
    """The folder above `sites`, as in Frappe. The fork takes the current folder."""
    return os.path.realpath(os.path.join(sites_path(), ".."))


def apply() -> None:
    monoframe.init = init
    monoframe.get_site_name = current_site
    config._load_config = load_config
    config._cached_config = load_config  # the fork's cache knows no site
    utils.get_sites = get_sites
    utils.get_bench_path = get_bench_path
