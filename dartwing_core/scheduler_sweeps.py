"""Sweeps in `bench schedule`, so that retries, delayed jobs and schedules start on time on a stock bench.

Frappe's loop ticks every 60 s (15) or 240 s (16), and not at all where the scheduler is paused or a site is dormant.
Its process does not fork. So a daemon thread beside the loop checks each site about every second. The command itself
begins the thread, when `bench` has imported all apps. The thread touches nothing of Frappe's loop: not its context,
connection, signals or priority.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from typing import Any

import click

START_DELAY = 1.0
"""Seconds. Frappe 16 ends a second `bench schedule` of a bench earlier, so that its thread never begins."""
RESTART_DELAY = 60.0


def add_to(command: click.Command) -> None:
    """Have Frappe's command begin the thread before its own work."""
    callback = command.callback
    if callback is None:
        return

    @functools.wraps(callback)
    def with_sweeps(*arguments: Any, **options: Any) -> Any:
        with contextlib.suppress(Exception):
            begin()
        return callback(*arguments, **options)

    command.callback = with_sweeps


def begin() -> None:
    """Begin the thread, for the bench whose `sites` is the current folder."""
    arguments = (os.path.abspath("."), threading.Event())
    threading.Thread(target=_keep_on, args=arguments, name="job-sweeps", daemon=True).start()


def _keep_on(sites_path: str, stop: threading.Event) -> None:
    """Run the loop, and begin it again after an error."""
    stop.wait(START_DELAY)
    while not stop.is_set():
        try:
            from frappe.utils import get_sites

            from dartwing_core.jobs.sweep import agent  # it takes a second, for which Frappe's loop need not wait

            agent.run(stop, lambda: get_sites(sites_path), sites_path)
        except BaseException:  # an import may raise more than Exception, such as SystemExit
            with contextlib.suppress(Exception):
                import frappe

                logger = frappe.logger("dartwing_core", allow_site=False)
                logger.exception("The sweeps have ended by an error; they begin anew")
            stop.wait(RESTART_DELAY)
