"""The public names of the job engine; everything else in this package may change.

from dartwing_core.jobs import submit_job, job_handler, TransientError, PermanentError
"""

from .engine import (
    cancel_job as cancel_job,
    cancel_jobs as cancel_jobs,
    delete_jobs as delete_jobs,
    reschedule_job as reschedule_job,
    retry_job as retry_job,
    retry_jobs as retry_jobs,
    run_now as run_now,
    submit_job as submit_job,
    submit_jobs as submit_jobs,
)
from .errors import (
    BatchNotFoundError as BatchNotFoundError,
    CircuitNotFoundError as CircuitNotFoundError,
    DuplicateJobError as DuplicateJobError,
    InvalidJobError as InvalidJobError,
    InvalidTransitionError as InvalidTransitionError,
    JobBusyError as JobBusyError,
    JobCanceledError as JobCanceledError,
    JobError as JobError,
    JobNotFoundError as JobNotFoundError,
    JobTimeoutError as JobTimeoutError,
    PermanentError as PermanentError,
    QueueFullError as QueueFullError,
    RateLimitError as RateLimitError,
    ScheduleNotFoundError as ScheduleNotFoundError,
    TransientError as TransientError,
    UnknownHandlerError as UnknownHandlerError,
)
from .lib.canonical import generate_job_hash as generate_job_hash
from .lib.classification import classify_error as classify_error, get_error_type as get_error_type
from .lib.secret_values import Secret as Secret
from .operations.batches import (
    batch as batch,
    cancel_batch as cancel_batch,
    chain as chain,
    get_batch_status as get_batch_status,
    group as group,
    job as job,
    list_batches as list_batches,
    retry_batch as retry_batch,
    submit_batch as submit_batch,
)
from .operations.dead_letters import (
    bulk_retry_dead_letter as bulk_retry_dead_letter,
    delete_dead_letter_job as delete_dead_letter_job,
    get_dead_letter_jobs as get_dead_letter_jobs,
)
from .operations.job_types import (
    get_job_type_overview as get_job_type_overview,
    get_open_circuits as get_open_circuits,
    list_job_types as list_job_types,
    manually_close_circuit as manually_close_circuit,
)
from .operations.organizations import cancel_all_jobs as cancel_all_jobs
from .operations.schedules import (
    get_schedule as get_schedule,
    list_schedules as list_schedules,
    preview_schedule as preview_schedule,
    run_schedule_now as run_schedule_now,
)
from .operations.submitting import enqueue as enqueue, enqueue_doc as enqueue_doc, job_handler as job_handler
from .read.figures import (
    get_execution_time_stats as get_execution_time_stats,
    get_job_counts as get_job_counts,
    get_metrics as get_metrics,
    get_slowest_jobs as get_slowest_jobs,
)
from .read.holdups import get_holdups as get_holdups
from .read.jobs import (
    get_job_details as get_job_details,
    get_job_history as get_job_history,
    get_job_status as get_job_status,
    list_jobs as list_jobs,
    open_file as open_file,
)
from .run.context import JobContext as JobContext, current as current
from .run.outcome import calculate_backoff as calculate_backoff
from .status import JobStatus as JobStatus
from .types.functions import enqueueable as enqueueable
