"""`frappe.commands` and `frappe.commands.scheduler`, which the fork dropped: what an app's `commands.py` imports."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
import monoframe


def pass_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """Call a command with bench's context (`sites`, `force`, `verbose`) as its first argument."""

    @functools.wraps(function)
    def wrapper(ctx: click.Context, *args: Any, **kwargs: Any) -> Any:
        return function(monoframe._dict(ctx.obj), *args, **kwargs)

    return click.pass_context(wrapper)


def get_site(context: Any) -> str:
    """The one site a command is for."""
    return context.sites[0]


@click.command("schedule")
def start_scheduler() -> None:
    """Run the scheduler's loop."""
    from frappe.utils import scheduler

    scheduler.start_scheduler()
