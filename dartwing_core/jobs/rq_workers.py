"""What RQ knows of workers: which queues they serve, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from frappe.utils.background_jobs import generate_qname

from . import redis_queue


def queues_served_after(queue: str, others: Sequence[str]) -> set[str]:
    """Those of `others` that have workers, each of which serves `queue` first. Raises redis.exceptions.RedisError.

    A worker that was killed stays in RQ's sets for a while; its own key, which names its queues in order, ends.
    """
    asked = redis_queue.client()
    pipeline = asked.pipeline(transaction=False)
    for name in others:
        pipeline.smembers(f"rq:workers:{generate_qname(name)}")
    of_others = pipeline.execute()
    keys = sorted(set().union(*of_others))
    for key in keys:
        pipeline.hget(key, "queues")
    answers = pipeline.execute() if keys else []
    served = {key: answer.decode().split(",") for key, answer in zip(keys, answers, strict=True) if answer}
    found = set()
    for name, workers in zip(others, of_others, strict=True):
        orders = [served[key] for key in workers if key in served]
        if orders and all(_is_before(queue, name, order) for order in orders):
            found.add(name)
    return found


def _is_before(queue: str, other: str, order: list[str]) -> bool:
    first, second = generate_qname(queue), generate_qname(other)
    return first in order and second in order and order.index(first) < order.index(second)
