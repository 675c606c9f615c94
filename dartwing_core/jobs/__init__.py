"""The public names of the job engine; everything else in this package may change.

from dartwing_core.jobs import submit_job, job_handler, TransientError, PermanentError
"""

from __future__ import annotations

from .canonical import generate_job_hash
from .classification import classify_error, get_error_type
from .context import JobContext
from .dead_letter import bulk_retry_dead_letter, delete_dead_letter_job, get_dead_letter_jobs
from .engine import cancel_job, retry_job, submit_job, submit_jobs
from .errors import (
    DuplicateJobError,
    InvalidJobError,
    InvalidTransitionError,
    JobBusyError,
    JobCanceledError,
    JobError,
    JobNotFoundError,
    JobTimeoutError,
    PermanentError,
    QueueFullError,
    RateLimitError,
    TransientError,
    UnknownHandlerError,
)
from .handlers import job_handler
from .metrics import get_execution_time_stats, get_metrics, get_slowest_jobs
from .queries import get_job_history, get_job_status, list_jobs
from .retry import calculate_backoff
from .status import JobStatus

__all__ = [
    "DuplicateJobError",
    "InvalidJobError",
    "InvalidTransitionError",
    "JobBusyError",
    "JobCanceledError",
    "JobContext",
    "JobError",
    "JobNotFoundError",
    "JobStatus",
    "JobTimeoutError",
    "PermanentError",
    "QueueFullError",
    "RateLimitError",
    "TransientError",
    "UnknownHandlerError",
    "bulk_retry_dead_letter",
    "calculate_backoff",
    "cancel_job",
    "classify_error",
    "delete_dead_letter_job",
    "generate_job_hash",
    "get_dead_letter_jobs",
    "get_error_type",
    "get_execution_time_stats",
    "get_job_history",
    "get_job_status",
    "get_metrics",
    "get_slowest_jobs",
    "job_handler",
    "list_jobs",
    "retry_job",
    "submit_job",
    "submit_jobs",
]
