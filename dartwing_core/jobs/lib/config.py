"""Settings of the engine and of Job Types, and hooks, read through Frappe's caches (no SQL when warm).

Also the engine's own constants: names of DocTypes, bounds.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import frappe
from frappe.utils import cint, get_system_timezone

T = TypeVar("T")

JOB = "Background Job"
RUN = "Background Job Run"
LOG = "Job Execution Log"
DEPENDENCY = "Background Job Dependency"
BATCH = "Job Batch"
CIRCUIT = "Job Circuit"
SCHEDULE = "Job Schedule"
REMOVAL = "Organization Removal"
JOB_TYPE = "Job Type"
ENQUEUED = "enqueued_function"
"""The Job Type whose jobs call a function of an app with its own arguments."""
SETTINGS = "Job Engine Settings"

ENGINE = "Administrator"
"""The user whom the log names for the engine's own work."""

LONGEST_NAME = 140
"""Characters of a document's name."""
MIN_TIMEOUT, DEFAULT_TIMEOUT, MAX_TIMEOUT = 1, 300, 86_400
MAX_RETRIES = 10
MAX_DELAY = 365 * 86_400
WHILE_UNFINISHED, WITHIN_WINDOW, NEVER = "While Unfinished", "Within the Window", "Never"
"""How long an equal job is a duplicate: until the job has ended, also for a time after its submit, or not at all."""
DEDUPLICATION = {"while_unfinished": WHILE_UNFINISHED, "within_window": WITHIN_WINDOW, "never": NEVER}
"""The values in calls, and those of the field."""
DEFAULT_WINDOW = 300


def title_of(type_name: str) -> str:
    """The display name of a Job Type that has none."""
    return type_name.replace("_", " ").title()


def policy_of_window(window: int | None) -> str:
    """The policy of a Job Type that names only its window: who names one means it, and 0 means never."""
    if window is None:
        return WHILE_UNFINISHED
    return WITHIN_WINDOW if window else NEVER


class JobType(Protocol):
    """The document of a Job Type, as far as the engine reads it. A whole number of 0 or None is not set."""

    name: str
    display_name: str
    handler_method: str
    timeout_handler_method: str | None
    is_enabled: int
    is_paused: int
    own_process: int
    requires_permission: str | None
    results_visible_to: str | None
    notify_on: str | None
    queue: str | None
    default_priority: str | None
    default_timeout: int | None
    max_retries: int | None
    retry_delays: str | None
    retry_on: str | None
    never_retry_on: str | None
    deduplication: str
    deduplication_window: int | None
    rate_limit: int | None
    rate_limit_window: int | None
    max_concurrent: int
    max_concurrent_per_organization: int
    enable_circuit_breaker: int
    circuit_breaker_window_minutes: int | None
    circuit_breaker_min_samples: int | None
    circuit_breaker_failure_threshold: float | None
    circuit_breaker_cooldown_minutes: float | None

    def get(self, field: str, /) -> Any:
        """The value of a field. None if the cached document is older than the field."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Job Engine Settings with the defaults of a site that never saved them."""

    is_paused: bool = False
    max_parameter_bytes: int = 1_000_000
    max_result_bytes: int = 1_000_000
    retry_base_delay: int = 60
    retry_delay_cap: int = 3_600
    sweep_batch: int = 500
    cancel_grace_seconds: int = 10
    lease_seconds: int = 20
    allow_private_addresses: bool = False
    default_organization: str | None = None
    """Stands for an organization that a call leaves out. All users of Desk are its members."""
    slice_seconds: float = 5
    """Seconds in which a process claims one job after the other. 0: a process for each job."""
    paused_queues: frozenset[str] = frozenset()
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


class _OfThread(threading.local):
    kept: dict[Any, Any] | None = None
    """What was read since `keeping` was entered: settings, Job Types, hooks and the site's time zone."""


_thread = _OfThread()
KEPT_SECONDS = 0.25


def read_anew() -> None:
    """Drop what is kept, so that it is read again."""
    if _thread.kept is not None:
        _thread.kept = {}


@contextmanager
def keeping() -> Iterator[None]:
    """Read settings, Job Types, hooks and the time zone once each while entered, in this thread.

    For many jobs: a process empties Frappe's caches between two of them.
    """
    before = _thread.kept
    if before is None:
        _thread.kept = {}
    try:
        yield
    finally:
        _thread.kept = before


@contextmanager
def not_keeping() -> Iterator[None]:
    """Read what is in force while a handler runs. The kept documents are dropped if that takes long."""
    kept, began = _thread.kept, time.monotonic()
    _thread.kept = None
    try:
        yield
    finally:
        if kept is not None:
            _thread.kept = kept if time.monotonic() - began < KEPT_SECONDS else {}


def _kept(key: Any, read: Callable[[], T]) -> T:
    kept = _thread.kept
    if kept is None:
        return read()
    if key not in kept:
        kept[key] = read()
    return kept[key]


def settings() -> Settings:
    """The settings in force."""
    return _kept("settings", _read_settings)


def job_type(name: str) -> JobType | None:
    """The Job Type document, from the cache. None if there is none of this name."""
    return _kept(("type", name), lambda: _read_job_type(name))


def hook(name: str) -> Any:
    """The declarations of all apps in a hook, as `frappe.get_hooks` gives it. None if no app does."""
    return _kept(("hook", name), lambda: copy.deepcopy(frappe.get_hooks(name, None)))  # a handler may change Frappe's


def time_zone() -> str:
    """The name of the site's time zone, as System Settings say."""
    return _kept("time zone", lambda: str(get_system_timezone()))


def _read_settings() -> Settings:
    saved = frappe.get_cached_doc(SETTINGS)
    values: dict[str, Any] = {
        "paused_queues": parse_names(saved.get("paused_queues")),
        "default_organization": saved.get("default_organization") or None,
    }
    if saved.get("slice_seconds") is not None:
        values["slice_seconds"] = max(0, cint(saved.get("slice_seconds")))
    for name in Settings.__dataclass_fields__.keys() - {*values, "slice_seconds"}:
        value = cint(saved.get(name))
        if name in _SWITCHES:
            values[name] = bool(value)
        elif value > 0:
            values[name] = value
    return Settings(**values)


def _read_job_type(name: str) -> JobType | None:
    try:
        return frappe.get_cached_doc(JOB_TYPE, name)
    except frappe.DoesNotExistError:
        frappe.clear_last_message()
        return None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A Job Type's rules for retries. Empty: the engine's own rules."""

    delays: tuple[int, ...] = ()
    """Seconds before each retry. The last value repeats."""
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
