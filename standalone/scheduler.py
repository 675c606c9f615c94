"""`python -m standalone.scheduler`: Frappe's scheduler loop; its tick is `scheduler_tick_interval`, in seconds."""

from __future__ import annotations

from . import alias


def main() -> None:
    alias.install()
    from frappe.utils.scheduler import start_scheduler

    start_scheduler()


if __name__ == "__main__":
    main()
