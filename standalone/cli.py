"""`python -m standalone.cli --site SITE COMMAND`: what `bench --site SITE COMMAND` is on a bench, for the commands of
the apps and for the few of Frappe's that a site needs while its app is being written."""

from __future__ import annotations

import importlib
import json
import os

import click

from . import alias

alias.install()

import frappe  # noqa: E402
from frappe.commands import get_site, pass_context  # noqa: E402


@click.group()
@click.option("--site", default=lambda: os.environ.get("DW_SITE"))
@click.option("--verbose", is_flag=True)
@click.option("--force", is_flag=True)
@click.pass_context
def bench(ctx: click.Context, site: str, verbose: bool, force: bool) -> None:
    """Commands of a site."""
    ctx.obj = {"sites": [site] if site else [], "verbose": verbose, "force": force, "profile": False}


@bench.command()
@pass_context
def migrate(context: frappe._dict) -> None:
    """Run patches, sync DocTypes, jobs and fixtures, then the after_migrate hooks."""
    from frappe.migrate import SiteMigration

    SiteMigration(skip_search_index=True).run(site=_site(context))


@bench.command("clear-cache")
@pass_context
def clear_cache(context: frappe._dict) -> None:
    """Forget what is cached of the site."""
    _connect(context)
    frappe.clear_cache()
    frappe.destroy()


@bench.command("install-app")
@click.argument("app")
@pass_context
def install_app(context: frappe._dict, app: str) -> None:
    """Install an app of apps.txt."""
    from frappe.installer import install_app as install

    _connect(context)
    install(app, force=context.force)
    frappe.db.commit()
    frappe.destroy()


@bench.command("uninstall-app")
@click.argument("app")
@click.option("--yes", "-y", is_flag=True)
@pass_context
def uninstall_app(context: frappe._dict, app: str, yes: bool) -> None:
    """Remove an app with its DocTypes and their rows."""
    from frappe.installer import remove_app

    _connect(context)
    remove_app(app, yes=yes, force=context.force)
    frappe.db.commit()
    frappe.destroy()


@bench.command()
@click.argument("method")
@click.option("--kwargs", default="{}")
@pass_context
def execute(context: frappe._dict, method: str, kwargs: str) -> None:
    """Call a method with keyword arguments in JSON, and print what it returns."""
    _connect(context)
    result = frappe.get_attr(method)(**json.loads(kwargs))
    frappe.db.commit()
    if result is not None:
        print(frappe.as_json(result))
    frappe.destroy()


def _site(context: frappe._dict) -> str:
    frappe.init(get_site(context))
    return get_site(context)


def _connect(context: frappe._dict) -> None:
    _site(context)
    frappe.connect()


def add_app_commands() -> None:
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
