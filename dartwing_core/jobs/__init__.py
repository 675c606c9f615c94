"""The public names of the job engine; everything else in this package may change.

from dartwing_core.jobs import submit_job, job_handler, TransientError, PermanentError
"""

from __future__ import annotations

from .engine import (
    cancel_job,
    cancel_jobs,
    delete_jobs,
    reschedule_job,
    retry_job,
    retry_jobs,
    run_now,
    submit_job,
    submit_jobs,
)
from .errors import (
    BatchNotFoundError,
    CircuitNotFoundError,
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
    ScheduleNotFoundError,
    TransientError,
    UnknownHandlerError,
)
from .lib.canonical import generate_job_hash
from .lib.classification import classify_error, get_error_type
from .lib.secret_values import Secret
from .operations.batches import (
    batch,
    cancel_batch,
    chain,
    get_batch_status,
    group,
    job,
    list_batches,
    retry_batch,
    submit_batch,
)
from .operations.circuits import get_open_circuits, manually_close_circuit
from .operations.dead_letters import (
    bulk_retry_dead_letter,
    delete_dead_letter_job,
    get_dead_letter_jobs,
    retry_dead_letters,
)
from .operations.enqueuing import enqueue
from .operations.handler_submit import job_handler
from .operations.job_types import get_job_type_overview, list_job_types
from .operations.schedules import get_schedule, list_schedules, preview_schedule, run_schedule_now
from .read.details import get_job_details, open_file
from .read.figures import get_execution_time_stats, get_job_counts, get_metrics, get_slowest_jobs
from .read.jobs import get_job_history, get_job_status, list_jobs
from .run.context import JobContext, current
from .run.outcome import calculate_backoff
from .status import JobStatus
from .types.functions import enqueueable

__all__ = [
    "BatchNotFoundError",
    "CircuitNotFoundError",
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
    "ScheduleNotFoundError",
    "Secret",
    "TransientError",
    "UnknownHandlerError",
    "batch",
    "bulk_retry_dead_letter",
    "calculate_backoff",
    "cancel_batch",
    "cancel_job",
    "cancel_jobs",
    "chain",
    "classify_error",
    "current",
    "delete_dead_letter_job",
    "delete_jobs",
    "enqueue",
    "enqueueable",
    "generate_job_hash",
    "get_batch_status",
    "get_dead_letter_jobs",
    "get_error_type",
    "get_execution_time_stats",
    "get_job_counts",
    "get_job_details",
    "get_job_history",
    "get_job_status",
    "get_job_type_overview",
    "get_metrics",
    "get_open_circuits",
    "get_schedule",
    "get_slowest_jobs",
    "group",
    "job",
    "job_handler",
    "list_batches",
    "list_job_types",
    "list_jobs",
    "list_schedules",
    "manually_close_circuit",
    "open_file",
    "preview_schedule",
    "reschedule_job",
    "retry_batch",
    "retry_dead_letters",
    "retry_job",
    "retry_jobs",
    "run_now",
    "run_schedule_now",
    "submit_batch",
    "submit_job",
    "submit_jobs",
]
