"""Stays at this path: rows of Scheduled Job Type and queued entries name it, also by the original's names."""

from .recovery.sweeper import process_dependent_jobs, process_retry_queue, sweep_background_jobs

__all__ = ["process_dependent_jobs", "process_retry_queue", "sweep_background_jobs"]
