"""Settings of the engine and of Job Types, read through Frappe's document cache (no SQL when warm)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import frappe
from frappe.utils import cint

JOB = "Background Job"
RUN = "Background Job Run"
LOG = "Job Execution Log"
DEPENDENCY = "Background Job Dependency"
BATCH = "Job Batch"
CIRCUIT = "Job Circuit"
SCHEDULE = "Job Schedule"
REMOVAL = "Organization Removal"
JOB_TYPE = "Job Type"
SETTINGS = "Job Engine Settings"

ENGINE = "Administrator"
"""Who the log names for what the engine does by itself."""

PRIORITIES = ("Low", "Normal", "High", "Critical")
HEAD_START = {"Critical": 86_400, "High": 3_600, "Normal": 0, "Low": -3_600}
"""Seconds that a job of a priority is ahead of a Normal one due then: Low waits longer, but not for ever."""
QUEUE_OF_PRIORITY = {"Critical": "short", "High": "short", "Normal": "default", "Low": "long"}
QUEUES_BY_PRIORITY = tuple(dict.fromkeys(QUEUE_OF_PRIORITY[name] for name in reversed(PRIORITIES)))

MIN_TIMEOUT, MAX_TIMEOUT = 1, 86_400
MAX_RETRIES = 10
MAX_DELAY = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Settings:
    """Job Engine Settings with the defaults of a site that never saved them."""

    is_paused: bool = False
    max_parameter_bytes: int = 1_000_000
    max_result_bytes: int = 1_000_000
    retry_base_delay: int = 60
    retry_delay_cap: int = 3_600
    sweep_batch: int = 500
    requeue_after: int = 15
    cancel_grace_seconds: int = 10
    lease_seconds: int = 20
    allow_private_addresses: bool = False
    queue_window: int = 0
    """Jobs of a queue in RQ; 0: by its workers."""
    paused_queues: frozenset[str] = frozenset()
    sends_digest: bool = True
    mutes_alerts: bool = False
    alert_dead_letters: int = 50
    alert_jobs_in_line: int = 1_000
    alert_overtime: int = 2
    """A running job's multiple of its time limit."""
    dead_letter_days: int = 90
    submit_limit: int = 100
    status_limit: int = 600
    list_limit: int = 60
    cancel_limit: int = 30
    metrics_limit: int = 30
    desk_limit: int = 600


_SWITCHES = frozenset({"is_paused", "allow_private_addresses", "mutes_alerts"})


def settings() -> Settings:
    """The settings in force."""
    saved = frappe.get_cached_doc(SETTINGS)
    values: dict[str, Any] = {
        "paused_queues": parse_names(saved.get("paused_queues")),
        "sends_digest": saved.get("dead_letter_digest") != "Never",
    }
    for name in Settings.__dataclass_fields__.keys() - values.keys():
        value = cint(saved.get(name))
        if name in _SWITCHES:
            values[name] = bool(value)
        elif value > 0:
            values[name] = value
    return Settings(**values)


def job_type(name: str):
    """The Job Type document, from the cache; None if there is none of this name."""
    try:
        return frappe.get_cached_doc(JOB_TYPE, name)
    except frappe.DoesNotExistError:
        frappe.clear_last_message()
        return None


def queue_for(job_type_doc, priority: str) -> str:
    """The queue that a job of this type and priority goes to."""
    return job_type_doc.queue or QUEUE_OF_PRIORITY[priority]


def queues_behind(queue: str) -> tuple[str, ...]:
    """The queues of lower priorities."""
    if queue not in QUEUES_BY_PRIORITY:
        return ()
    return QUEUES_BY_PRIORITY[QUEUES_BY_PRIORITY.index(queue) + 1 :]


def by_priority(queues: Iterable[str]) -> list[str]:
    """The queues in the order in which a slot that is free is offered to them; those of no priority come last."""
    return sorted(set(queues), key=lambda name: (name not in QUEUES_BY_PRIORITY, -len(queues_behind(name)), name))


def own_queue(job: Mapping[str, Any]) -> str:
    """The queue that a job belongs to: another one than that of its row if it was lifted (see `lifting`)."""
    by_priority, queue = QUEUE_OF_PRIORITY.get(job["priority"]), job["queue"]
    return by_priority if by_priority in queues_behind(queue) and is_movable(job["job_type"]) else queue


def is_movable(job_type_name: str) -> bool:
    """Whether jobs of this type may be lifted: not if it names a queue, nor if it is gone."""
    found = job_type(job_type_name)
    return bool(found) and not found.queue


def possible_queues(job: Mapping[str, Any]) -> tuple[str, ...]:
    """Where the entry of a Queued job may be: in its own queue, or in one that it was lifted to meanwhile."""
    own = own_queue(job)
    if own not in QUEUES_BY_PRIORITY or not is_movable(job["job_type"]):
        return (own,)
    return QUEUES_BY_PRIORITY[: QUEUES_BY_PRIORITY.index(own) + 1]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What a Job Type says about retries; empty: the engine's own rules."""

    delays: tuple[int, ...] = ()
    """Seconds before each retry; the last repeats."""
    retry_on: frozenset[str] = frozenset()
    never_retry_on: frozenset[str] = frozenset()
    """Names of exception classes, of base classes too."""


def retry_policy(job_type_name: str) -> RetryPolicy:
    """The policy of a Job Type, which may be gone by now."""
    found = job_type(job_type_name)
    if found is None:
        return RetryPolicy()
    return RetryPolicy(
        tuple(parse_delays(found.retry_delays)), parse_names(found.retry_on), parse_names(found.never_retry_on)
    )


def parse_names(text: str | None) -> frozenset[str]:
    """ "ValueError, BadZipFile" as a set."""
    return frozenset(part.strip() for part in (text or "").replace("\n", ",").split(",") if part.strip())


def parse_delays(text: str | None) -> list[int]:
    """ "10, 60, 600" as numbers. Raises ValueError for anything else, also for negative ones."""
    delays = [int(part) for part in (text or "").replace(";", ",").split(",") if part.strip()]
    if any(not 0 <= delay <= MAX_DELAY for delay in delays):
        raise ValueError("delay out of range")
    return delays
