"""`python -m standalone.install core|app`: one step of the installation, in the site that the environment names."""

from __future__ import annotations

import os
import sys
from typing import Any

from . import alias
from .site import ADMIN_PASSWORD, APP, DATABASE


def core(frappe: Any) -> None:
    """The framework itself, up to a site whose set-up wizard is done and whose scheduler is on."""
    from frappe import installer

    installer.install_db(db_name=DATABASE, admin_password=ADMIN_PASSWORD, verbose=False, setup=False)
    installer.install_app("frappe", set_as_patched=True)
    settings = {"setup_complete": 1, "enable_scheduler": 1, "language": "en"}
    frappe.db.set_single_value("System Settings", settings)
    frappe.db.set_default("desktop:home_page", "workspace")
    frappe.db.commit()


def app(frappe: Any) -> None:
    """Our app, with the hooks that `bench install-app` runs."""
    from frappe.installer import install_app

    frappe.connect()
    install_app(APP)
    frappe.db.commit()


def main(what: str) -> None:
    alias.install()
    import frappe

    frappe.init(os.environ["DW_SITE"], sites_path=os.environ["DW_SITES_PATH"], new_site=what == "core")
    {"core": core, "app": app}[what](frappe)
    frappe.destroy()


if __name__ == "__main__":
    main(sys.argv[1])
