"""`bench --site SITE job-engine …`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import frappe
from frappe.commands import get_site, pass_context

from . import ticker_thread, worker_preload

# `bench` imports this module before every command, also those of other apps. So each command imports the engine late.

worker_preload.in_a_worker()
ticker_thread.begin_if_needed()


@contextmanager
def connected(context: Any) -> Iterator[None]:
    """The command's site, connected."""
    with frappe.init_site(get_site(context)):
        frappe.connect()
        yield


@click.group("job-engine")
def job_engine() -> None:
    """Background jobs of dartwing_core."""


@job_engine.command("agent")
def agent() -> None:
    """Watch over due work, for all sites of the bench, where no worker, pool or scheduler of Frappe's does."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_arguments: stop.set())
    ticker_thread.make().run(stop)


@job_engine.command("sweep")
@pass_context
def sweep(context: Any) -> None:
    """Make one sweep, as a worker does where work is due, and print its counts."""
    from dartwing_core.jobs.sweep import sweeper

    with connected(context):
        report = sweeper.sweep()
    for name in report.__dataclass_fields__:
        click.echo(f"{name.replace('_', ' ')}: {getattr(report, name)}")


@job_engine.command("adopt")
@pass_context
def adopt(context: Any) -> None:
    """Let jobs start on a site that is a restored copy of another one."""
    with connected(context):
        frappe.get_doc("Job Engine Settings").adopt()
        frappe.db.commit()


@job_engine.command("types")
@click.option("--sync", is_flag=True, help="First make the types what code says, as a migration does.")
@pass_context
def types(context: Any, sync: bool) -> None:
    """List the Job Types, how the site differs from the code, and what is wrong in the hooks of events."""
    with connected(context):
        print_types(sync)


def print_types(sync: bool) -> None:
    """Print the Job Types of the connected site, each with the fields in which it differs from its code."""
    from dartwing_core import install
    from dartwing_core.jobs.types import declared_types, functions

    if sync:
        install.sync_types()
        frappe.db.commit()
    else:
        install.warn(functions.problems_of_events())
    for name in frappe.get_all("Job Type", pluck="name", order_by="name"):
        found = frappe.get_doc("Job Type", name)
        state = f"{found.code_state or 'Made by Hand'}{'' if found.is_enabled else ', disabled'}"
        click.echo(f"{name}  {found.handler_method}  ({state})")
        for fieldname, (said, is_now) in declared_types.differences(found).items():
            click.echo(f"    {fieldname}: {is_now or 'empty'} here, {said or 'empty'} in code")


@job_engine.command("default-organization")
@click.argument("organization")
@pass_context
def default_organization(context: Any, organization: str) -> None:
    """Make ORGANIZATION the one of calls that name none, for sites with one tenant.

    It is made if there is none of this name. All users of Desk may then submit jobs there.
    """
    from dartwing_core.dartwing_core.doctype.job_engine_settings.job_engine_settings import set_default_organization

    with connected(context):
        found = set_default_organization(organization)
        frappe.db.commit()
    click.echo(f"Default organization: {organization} ({found})")


commands = [job_engine]
