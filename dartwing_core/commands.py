"""`bench --site SITE job-engine …`, and the sweeps in `bench schedule`."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click
import frappe
from frappe.commands import get_site, pass_context
from frappe.commands.scheduler import start_scheduler

from . import worker_preload

# `bench` imports this module before every command, also those of other apps. So each command imports the engine late.

worker_preload.in_a_worker()


@contextmanager
def connected(context: Any) -> Iterator[None]:
    """The command's site, connected."""
    frappe.init(get_site(context))
    frappe.connect()
    try:
        yield
    finally:
        frappe.destroy()


@click.group("job-engine")
def job_engine() -> None:
    """Background jobs of dartwing_core."""


@job_engine.command("agent")
@pass_context
def agent(context: Any) -> None:
    """Start retries, delayed jobs and schedules, and rescue lost jobs, where `bench schedule` does not run."""
    from dartwing_core.jobs.sweep import agent as loop

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_arguments: stop.set())
    with connected(context):
        site, sites_path = frappe.local.site, os.path.abspath(frappe.local.sites_path)
    loop.run(stop, lambda: [site], sites_path)


@job_engine.command("sweep")
@pass_context
def sweep(context: Any) -> None:
    """Make one sweep, as the agent does every second, and print its counts."""
    from dartwing_core.jobs.sweep import sweeper

    with connected(context):
        report = sweeper.sweep()
    for name in report.__dataclass_fields__:
        click.echo(f"{name.replace('_', ' ')}: {getattr(report, name)}")


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


# Sweeps in `bench schedule`, so that retries, delayed jobs and schedules start on time on a stock bench ---------------
#
# `jobs/sweep/README.md` says why. The thread touches nothing of Frappe's loop: not its context, connection or signals.

START_DELAY = 1.0
"""Seconds. Frappe 16 ends a second `bench schedule` of a bench earlier, so that its thread never begins."""
RESTART_DELAY = 60.0


def begin_sweeps() -> None:
    """Begin the thread, for the bench whose `sites` is the current folder."""
    arguments = (os.path.abspath("."), threading.Event())
    threading.Thread(target=_keep_sweeping, args=arguments, name="job-sweeps", daemon=True).start()


def _keep_sweeping(sites_path: str, stop: threading.Event) -> None:
    """Run the loop, and begin it again after an error."""
    stop.wait(START_DELAY)
    while not stop.is_set():
        try:
            from frappe.utils import get_sites

            from dartwing_core.jobs.sweep import agent  # it takes a second, for which Frappe's loop need not wait

            agent.run(stop, lambda: get_sites(sites_path), sites_path)
        except BaseException:  # an import may raise more than Exception, such as SystemExit
            with suppress(Exception):
                logger = frappe.logger("dartwing_core", allow_site=False)
                logger.exception("The sweeps have ended by an error; they begin anew")
            stop.wait(RESTART_DELAY)


_start = start_scheduler.callback


@functools.wraps(_start)
def _start_with_sweeps(*arguments: Any, **options: Any) -> Any:
    """Frappe's command, which begins the thread before its own work."""
    with suppress(Exception):
        begin_sweeps()
    return _start(*arguments, **options)


start_scheduler.callback = _start_with_sweeps
