"""Arguments and answers about batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from .common import Moment, Status

BatchStatus = Literal["Running", "Completed", "Failed", "Canceled"]
BatchId = Annotated[str, "Id of a batch, such as BATCH-1K11R5XW3ZB0000ABCDE"]
Callback = Annotated[
    dict[str, Any], "A job (job_type, parameters, priority, title) made then, with batch_id among its parameters"
]


class BatchIdAndStatus(TypedDict):
    """A batch that was submitted or is being canceled."""

    batch_id: str
    status: BatchStatus
    size: int
    message: str


class ListedBatch(TypedDict):
    """A batch in a list; `size` is the number of jobs that were submitted with it."""

    batch_id: str
    organization: str
    organization_name: str
    owner_user: str
    description: str | None
    status: BatchStatus
    size: int
    created_at: Moment
    completed_at: Moment | None
    cancel_requested: bool
    canceled_by: str | None
    on_complete_job: str | None
    on_success_job: str | None
    on_failure_job: str | None


class BatchStatusAnswer(ListedBatch):
    """A batch with its progress: the percentage of its jobs that have ended."""

    job_count_by_status: dict[Status, int]
    progress: float


class BatchList(TypedDict):
    """One page. `total`: the number of matching batches, up to 10,000."""

    batches: list[ListedBatch]
    total: int
    limit: int
    offset: int


class BatchRetry(TypedDict):
    """`retried`: the number of jobs. `skipped`: the reason for each of the others."""

    batch_id: str
    retried: int
    skipped: dict[str, str]
