from __future__ import annotations

from dartwing_core.jobs import JobContext, job_handler


@job_handler
def http_request(context: JobContext) -> dict:
    return {}
