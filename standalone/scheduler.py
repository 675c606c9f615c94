"""`python -m standalone.scheduler`: `bench schedule`; its tick is `scheduler_tick_interval`, in seconds."""

from __future__ import annotations

from . import alias


def main() -> None:
    alias.install()
    from frappe.commands.scheduler import start_scheduler

    import dartwing_core.commands  # noqa: F401 - as `bench` does with those of each app before it runs a command

    start_scheduler()


if __name__ == "__main__":
    main()
