"""`python -m standalone.cli [--site SITE] COMMAND`: what `bench` is on a bench, with the apps' commands and the few of
Frappe's that a site needs."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import click

from . import alias
from .site import ADMIN_PASSWORD, DATABASE

alias.install()

import frappe  # noqa: E402
from frappe.commands import get_site, pass_context  # noqa: E402

ASSETS = Path(__file__).resolve().parent / "assets"


@click.group()
@click.option("--site", default=lambda: os.environ.get("DW_SITE"))
@click.pass_context
def bench(ctx: click.Context, site: str) -> None:
    """Commands of a site."""
    ctx.obj = {"sites": [site], "verbose": False, "force": False, "profile": False}


# Sites ----------------------------------------------------------------------------------------------------------------


@bench.command("new-site")
@pass_context
def new_site(context: frappe._dict) -> None:
    """Install the framework, up to a site whose set-up wizard is done and whose scheduler is on."""
    from frappe import installer

    frappe.init(get_site(context), sites_path=os.environ["DW_SITES_PATH"], new_site=True)
    installer.install_db(db_name=DATABASE, admin_password=ADMIN_PASSWORD, verbose=False, setup=False)
    installer.install_app("frappe", set_as_patched=True)
    settings = {"setup_complete": 1, "enable_scheduler": 1, "language": "en"}
    frappe.db.set_single_value("System Settings", settings)
    frappe.db.set_default("desktop:home_page", "workspace")
    frappe.db.commit()


@bench.command("install-app")
@click.argument("app")
@pass_context
def install_app(context: frappe._dict, app: str) -> None:
    """Install an app of apps.txt."""
    from frappe.installer import install_app as install

    frappe.init(get_site(context))
    frappe.connect()
    install(app)
    frappe.db.commit()
    frappe.destroy()


@bench.command()
@pass_context
def migrate(context: frappe._dict) -> None:
    """Run patches, sync DocTypes, jobs and fixtures, then the after_migrate hooks."""
    from frappe.migrate import SiteMigration

    frappe.init(get_site(context))
    SiteMigration(skip_search_index=True).run(site=get_site(context))


# Processes ------------------------------------------------------------------------------------------------------------


@bench.command()
@click.option("--queue")
@click.option("--burst", is_flag=True)
@click.option("--quiet", is_flag=True)
def worker(queue: str, burst: bool, quiet: bool) -> None:
    """Frappe's own forking RQ worker."""
    from frappe.utils.background_jobs import start_worker

    start_worker(queue=queue, burst=burst, quiet=quiet)


@bench.command("worker-pool")
@click.option("--queue")
@click.option("--num-workers", type=int)
def worker_pool(queue: str, num_workers: int) -> None:
    """Frappe's pool of workers, which do not fork if FRAPPE_BACKGROUND_WORKERS_NOFORK is set."""
    from frappe.utils.background_jobs import start_worker_pool

    os.environ["MONOFRAME_BACKGROUND_WORKERS_NOFORK"] = os.environ.get("FRAPPE_BACKGROUND_WORKERS_NOFORK", "")
    start_worker_pool(queue, num_workers)


@bench.command()
@click.option("--port", type=int)
@click.option("--noreload", is_flag=True)  # as always
@pass_context
def serve(context: frappe._dict, port: int, **_noreload: bool) -> None:
    """Frappe's WSGI application on 127.0.0.1, with apps' static files and uploads."""
    from frappe.app import application
    from werkzeug import serving
    from werkzeug.middleware.shared_data import SharedDataMiddleware

    frappe.init(get_site(context))
    folders = {"/files": frappe.get_site_path("public", "files"), "/assets/standalone": str(ASSETS)}
    folders |= {f"/assets/{app}": frappe.get_app_path(app, "public") for app in frappe.get_all_apps()}
    folders["/assets/frappe"] = frappe.get_app_path("frappe", "public")
    frappe.destroy()
    serving._log_add_style = False  # the log is a file: no color codes
    serving.run_simple("127.0.0.1", port, SharedDataMiddleware(application, folders), threaded=True)


def add_app_commands() -> None:
    """Add what apps have, and Frappe's `schedule`."""
    from frappe.commands.scheduler import start_scheduler

    bench.add_command(start_scheduler)
    for app in frappe.get_all_apps():
        try:
            module = importlib.import_module(f"{app}.commands")
        except ModuleNotFoundError as error:
            if error.name != f"{app}.commands":
                raise
            continue
        for command in module.commands:
            bench.add_command(command)


if __name__ == "__main__":
    add_app_commands()
    bench()
