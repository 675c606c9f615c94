"""How long jobs of a type take, as the last ones did: noted in Redis, where it may be lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import redis

from . import redis_queue

NUMBER = 8
KEPT_SECONDS = 30 * 86_400


def note(pipeline: redis.client.Pipeline, job_type: str, seconds: float) -> None:
    """Add to a pipeline that a job of this type took so many seconds."""
    key = _key(job_type)
    pipeline.lpush(key, f"{seconds:.3f}")
    pipeline.ltrim(key, 0, NUMBER - 1)
    pipeline.expire(key, KEPT_SECONDS)


def ask(pipeline: redis.client.Pipeline, job_types: Sequence[str]) -> None:
    """Ask a question about each of these types."""
    for job_type in job_types:
        pipeline.lrange(_key(job_type), 0, -1)


def of(job_types: Sequence[str], answers: Sequence[Any]) -> dict[str, float | None]:
    """Seconds that the last jobs of these types took on average, by the answers; None if nobody knows."""
    return {
        job_type: sum(map(float, times)) / len(times) if times else None
        for job_type, times in zip(job_types, answers, strict=True)
    }


def longest(times: Iterable[float | None]) -> float | None:
    """Of several; what nobody knows counts as long."""
    known = [*times]
    return None if None in known else max(time for time in known if time is not None)


def shortest(times: Iterable[float | None]) -> float | None:
    """The same for the quickest; None if nobody knows any."""
    return min((time for time in times if time is not None), default=None)


def _key(job_type: str) -> str:
    return redis_queue.site_key(f"run_times:{job_type}")
