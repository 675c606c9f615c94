"""`import frappe` on a machine without a bench: monoframe under Frappe's name, with what it cut out put back.

monoframe 0.0.1 is Frappe's develop branch renamed and reduced to one app and one site. The real thing is in it
(documents, permissions, queries, background jobs, REST), so an app runs on it once names, apps, sites and a few broken
parts are restored. Nothing in the installed package is edited: every module here replaces names from outside, and says
at each what is wrong as published.
"""

from __future__ import annotations

import importlib

# In this order: a site must be there before apps can be looked up, and names are given last.
PARTS = ("site", "apps", "installer", "jobs", "web", "repairs", "names")

_installed = False


def install() -> None:
    """Make `import frappe` work in this process. Call it before the first `import frappe`; twice does no harm."""
    global _installed
    if _installed:
        return
    _installed = True
    from . import imports

    imports.install()
    for part in PARTS:
        importlib.import_module(f"{__name__}.{part}").apply()
