"""Endpoints about batches."""

from __future__ import annotations

from typing import Annotated, Any, cast

from frappe import _

from dartwing_core import jobs as engine
from dartwing_core.jobs.operations import builders

from . import rate_limits
from .arguments import parsed, refuse_repeatable, requests_for_jobs
from .registry import endpoint
from .schemas.batches import BatchId, BatchIdAndStatus, BatchList, BatchRetry, BatchStatus, BatchStatusAnswer, Callback
from .schemas.common import REQUIRED, Limit, OrganizationName


def cost_of_batch(jobs: Any = None, **_more: Any) -> int:
    """The number of requests that a submit of a batch with these parts counts as."""
    return requests_for_jobs(builders.count_jobs(parsed(jobs, "jobs")))


@endpoint("POST", limit="submit", cost=cost_of_batch)
def submit_batch(
    organization: OrganizationName | None = None,
    jobs: Annotated[
        list[dict[str, Any]], 'Jobs as of submit_jobs, {"chain": [part, …]} or {"group": [part, …]}'
    ] = REQUIRED,
    on_complete: Callback | None = None,
    on_success: Callback | None = None,
    on_failure: Callback | None = None,
    description: Annotated[str, "For people"] | None = None,
) -> BatchIdAndStatus:
    """Submit jobs that are watched, canceled and retried as a whole. All jobs are submitted or none."""
    refuse_repeatable()
    batch = engine.submit_batch(
        organization,
        parsed(jobs, "jobs"),
        on_complete=parsed(on_complete, "on_complete"),
        on_success=parsed(on_success, "on_success"),
        on_failure=parsed(on_failure, "on_failure"),
        description=description,
    )
    return _batch_answer(batch, _("Batch submitted successfully"))


@endpoint("GET", limit="status")
def get_batch_status(batch_id: BatchId = REQUIRED) -> BatchStatusAnswer:
    """State and progress of a batch, with the number of its jobs in each status."""
    return cast(BatchStatusAnswer, engine.get_batch_status(batch_id))


@endpoint("GET", limit="list")
def list_batches(
    organization: OrganizationName | None = None,
    status: BatchStatus | None = None,
    limit: Limit = 20,
    offset: Annotated[int, "The number of rows to skip"] = 0,
) -> BatchList:
    """Batches that you may see, newest first."""
    return cast(BatchList, engine.list_batches(organization, status, limit, offset))


@endpoint("POST", limit="cancel")
def cancel_batch(
    batch_id: BatchId = REQUIRED, reason: Annotated[str, "Kept with the batch"] | None = None
) -> BatchIdAndStatus:
    """Cancel the waiting jobs of a batch, and ask the running ones to stop."""
    return _batch_answer(engine.cancel_batch(batch_id, reason=reason), _("Batch is being canceled"))


@endpoint("POST", limit="submit")
def retry_batch(batch_id: BatchId = REQUIRED) -> BatchRetry:
    """Start a fresh series of attempts of all jobs of a batch that have failed."""
    retried = cast(BatchRetry, engine.retry_batch(batch_id))
    rate_limits.count_jobs("submit", retried["retried"] + len(retried["skipped"]))
    return retried


def _batch_answer(batch: Any, message: str) -> BatchIdAndStatus:
    return {"batch_id": batch.name, "status": batch.status, "size": batch.size, "message": message}
