"""`python -m standalone.web --port N`: Frappe's WSGI application on 127.0.0.1, with apps' static files and uploads."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from werkzeug import serving
from werkzeug.middleware.shared_data import SharedDataMiddleware

from . import alias

ASSETS = Path(__file__).resolve().parent / "assets"


def static_folders() -> dict[str, str]:
    """Where `/assets/<app>` and `/files` are on disk."""
    import frappe

    site = Path(os.environ["DW_SITES_PATH"], os.environ["DW_SITE"])
    folders = {"/files": str(site / "public" / "files"), "/assets/standalone": str(ASSETS)}
    frappe.init(os.environ["DW_SITE"])
    for app in frappe.get_all_apps():
        public = frappe.get_app_path(app, "public")
        folders[f"/assets/{app}"] = public
        if app == "monoframe":
            folders["/assets/frappe"] = public
    frappe.destroy()
    return folders


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m standalone.web")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    alias.install()
    from frappe.app import application

    serving._log_add_style = False  # the log is a file: no color codes
    served = SharedDataMiddleware(application, static_folders())
    serving.run_simple("127.0.0.1", arguments.port, served, threaded=True)


if __name__ == "__main__":
    main()
