"""Stays at this path: rows of Scheduled Job Type name it."""

from .recovery.sweeper import sweep_background_jobs

__all__ = ["sweep_background_jobs"]
