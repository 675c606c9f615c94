"""Sweeps in `bench schedule`: retries, jobs for later and schedules start on time on a stock bench.

Frappe's loop ticks every 60 s (15) or 240 s (16), and not at all where the scheduler is paused or a site is dormant.
Its process does not fork: a daemon thread beside it looks at each site about every second. It is begun by the command
itself, when `bench` has imported all apps, and touches nothing of Frappe's loop: not its context, connection, signals
or priority.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from typing import Any

import click

START_DELAY = 1.0
"""Seconds: a second `bench schedule` of a bench, which Frappe 16 ends at once, does not get that far."""
RESTART_DELAY = 10.0


def add_to(command: click.Command) -> None:
    """Have Frappe's command begin the thread before it does what it always did."""
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
    """The loop, and again if it ends by an error, of which the first is logged."""
    stop.wait(START_DELAY)
    is_first = True
    while not stop.is_set():
        try:
            _sweep_sites(sites_path, stop)
        except BaseException:  # also what an import may raise, such as SystemExit
            if is_first:
                _log()
            is_first = False
            stop.wait(RESTART_DELAY)


def _sweep_sites(sites_path: str, stop: threading.Event) -> None:
    from frappe.utils import get_sites

    from dartwing_core.jobs.recovery import agent  # only now: it takes a second, for which Frappe's loop need not wait

    agent.run(stop, lambda: get_sites(sites_path), sites_path)


def _log() -> None:
    with contextlib.suppress(Exception):
        import frappe

        frappe.logger("dartwing_core", allow_site=False).exception("The sweeps have ended by an error; they begin anew")
