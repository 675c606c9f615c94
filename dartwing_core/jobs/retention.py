"""Stays at this path: schedulers of sites that came from the original app name it."""

from .recovery.retention import daily_cleanup

__all__ = ["daily_cleanup"]
