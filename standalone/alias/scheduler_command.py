"""Frappe's command `schedule`, which the fork dropped with `frappe.commands`."""

from __future__ import annotations

import click


@click.command("schedule")
def start_scheduler() -> None:
    """Run the scheduler's loop."""
    from frappe.utils.scheduler import start_scheduler

    start_scheduler()
