"""Settings of the engine and of Job Types, and hooks. Claims read the former from the database, and hand them along.
Others read them through Frappe's caches.

Also the engine's own constants: names of DocTypes, bounds.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, TypeAlias

import frappe
from frappe.utils import cint, get_system_timezone

JOB = "Background Job"
RUN = "Background Job Run"
LOG = "Job Execution Log"
DEPENDENCY = "Background Job Dependency"
BATCH = "Job Batch"
CIRCUIT = "Job Circuit"
SCHEDULE = "Job Schedule"
JOB_TYPE = "Job Type"
ENQUEUED = "enqueued_function"
"""The Job Type whose jobs call a function of an app with its own arguments."""
SETTINGS = "Job Engine Settings"
ZERO_IS_OFF = "slice_seconds"
"""The setting whose 0 is no default: a process for each job."""

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


def policy_of_window(window: int | None) -> str:
    """The policy of a Job Type that names only its window: who names one means it, and 0 means never."""
    if window is None:
        return WHILE_UNFINISHED
    return WITHIN_WINDOW if window else NEVER


# Settings ------------------------------------------------------------------------------------------------------------


MAINTENANCE, OFF, COPY, EVERYTHING, QUEUE = "maintenance", "off", "copy", "everything", "queue"
"""Pauses of the site (by Frappe, by its configuration, as a copy), of all jobs, and of the jobs of one queue."""


def home() -> str:
    """Name and database of this site. Where a copy of it is restored, at least one of them differs."""
    return f"{_folder(os.path.abspath(frappe.local.site_path))} {frappe.conf.db_name}"


@lru_cache
def _folder(site_path: str) -> str:
    return os.path.basename(os.path.realpath(site_path))  # a site may have other names, by links


@dataclass(frozen=True, slots=True)
class Settings:
    """The fields of Job Engine Settings, with their defaults."""

    is_paused: int = 0
    paused_queues: str = ""
    slice_seconds: int = 5
    default_organization: str = ""
    max_parameter_bytes: int = 1_000_000
    max_result_bytes: int = 1_000_000
    retry_base_delay: int = 60
    retry_delay_cap: int = 3_600
    sweep_batch: int = 500
    lease_seconds: int = 20
    cancel_grace_seconds: int = 10
    allow_private_addresses: int = 0
    mutes_alerts: int = 0
    alert_dead_letters: int = 50
    alert_jobs_in_line: int = 1_000
    alert_overtime: int = 2
    dead_letter_days: int = 90
    home: str = ""
    submit_limit: int = 100
    status_limit: int = 600
    list_limit: int = 60
    cancel_limit: int = 30
    metrics_limit: int = 30

    @classmethod
    def of(cls, saved: Any) -> Settings:
        """The saved settings. A number that is missing or 0 is its default, but for `slice_seconds`."""
        values: dict[str, Any] = {}
        for name, field in cls.__dataclass_fields__.items():
            value = saved.get(name)
            is_number = isinstance(field.default, int)
            if (cint(value) if is_number else value) or (name == ZERO_IS_OFF and value not in (None, "")):
                values[name] = cint(value) if is_number else value
        return cls(**values)

    def pause_of_site(self) -> str | None:
        """The pause by which nothing may start or be swept: MAINTENANCE, OFF, COPY, or None."""
        said = frappe.conf.job_engine
        if frappe.conf.maintenance_mode or said == OFF:
            return MAINTENANCE if frappe.conf.maintenance_mode else OFF
        return COPY if said != "on" and self.home not in ("", home()) else None

    def pause_of(self, queue: str | None = None) -> str | None:
        """The pause by which no job of this queue (or of any) may start: the site's, EVERYTHING, QUEUE, or None."""
        if pause := self.pause_of_site():
            return pause
        if self.is_paused:
            return EVERYTHING
        return QUEUE if queue in parse_names(self.paused_queues) else None


SAVED_SETTINGS = f"(SELECT JSON_OBJECTAGG(field, value) FROM tabSingles WHERE doctype = '{SETTINGS}')"
"""A column for `opened_settings`."""
_READ_SETTINGS = f"SELECT {SAVED_SETTINGS}"


ATTEMPT = "dartwing_job_context"
"""The attribute of frappe.local that holds the context of a job's attempt, until all that follows it is done.

What its snapshot shows must not get into Frappe's cache: it may be old, and a pause would be overlooked by all.
"""


def settings() -> Settings:
    """The settings, through Frappe's cache. A claim reads them from the database and hands them along."""
    return read_settings() if _is_in_attempt() else Settings.of(frappe.get_cached_doc(SETTINGS))


def _is_in_attempt() -> bool:
    return getattr(frappe.local, ATTEMPT, None) is not None


def read_settings() -> Settings:
    """The settings as the database has them. Frappe's cache may hold what somebody read in an old snapshot."""
    return opened_settings(frappe.db.sql(_READ_SETTINGS)[0][0])


def opened_settings(column: str | None) -> Settings:
    """The settings in a column SAVED_SETTINGS."""
    return Settings.of(json.loads(column) if column else {})


# Job Types -----------------------------------------------------------------------------------------------------------


JobType: TypeAlias = Any
"""The document of a Job Type, or the fields that a claim has read. A whole number of 0 or None is not set."""
CLAIMED_FIELDS = (
    *("name", "handler_method", "timeout_handler_method", "requires_permission", "is_enabled", "is_paused"),
    *("notify_on", "own_process", "max_concurrent", "max_concurrent_per_organization"),
    *("retry_delays", "retry_on", "never_retry_on"),
    *("enable_circuit_breaker", "circuit_breaker_failure_threshold", "circuit_breaker_min_samples"),
    *("circuit_breaker_window_minutes", "circuit_breaker_cooldown_minutes"),
)
"""The fields that claims and attempts need."""
CLAIMED_TYPE = "JSON_OBJECT({})".format(", ".join(f"'{field}', type.{field}" for field in CLAIMED_FIELDS))
"""A column of the table `type` for `opened_type`: the driver takes longer to read 16 columns than one."""
_READ_TYPES = f"SELECT {CLAIMED_TYPE} FROM `tab{JOB_TYPE}` type WHERE type.name IN %(names)s"


def job_type(name: str) -> JobType | None:
    """The Job Type, through Frappe's cache. None if there is none of this name."""
    if _is_in_attempt():
        return frappe.db.get_value(JOB_TYPE, name, "*", as_dict=True)
    try:
        return frappe.get_cached_doc(JOB_TYPE, name)
    except frappe.DoesNotExistError:
        frappe.clear_last_message()
        return None


def read_job_types(names: Collection[str]) -> dict[str, JobType | None]:
    """The CLAIMED_FIELDS of these Job Types as the database has them, in one statement. None for a missing one."""
    rows = frappe.db.sql(_READ_TYPES, {"names": tuple(names)}, pluck=True) if names else []
    found = {one.name: one for one in map(opened_type, rows)}
    return {name: found.get(name) for name in names}


def opened_type(column: str) -> JobType:
    """The Job Type in a column CLAIMED_TYPE."""
    return frappe._dict(json.loads(column))


# Hooks, modules and the time zone ------------------------------------------------------------------------------------


FACT_SECONDS = 0.25
_TIME_ZONE = "time zone"
_facts: dict[tuple[str, str], tuple[float, Any]] = {}


def _fact(name: str, read: Callable[[], Any]) -> Any:
    """What `read` has returned in the last FACT_SECONDS. A worker empties Frappe's caches between two jobs."""
    key = frappe.local.site, name
    good_until, value = _facts.get(key, (0.0, None))
    if time.monotonic() > good_until:
        value = read()
        _keep_fact(name, value)
    return value


def _keep_fact(name: str, value: Any) -> None:
    _facts[frappe.local.site, name] = time.monotonic() + FACT_SECONDS, value


def hook(name: str) -> Any:
    """The declarations of all apps in a hook, as `frappe.get_hooks` gives it. An empty list if no app does."""
    return _fact(f"hook {name}", lambda: frappe.get_hooks(name))


def find_module(name: str) -> ModuleType | None:
    """Import the module of this name. None if there is none. Raises the errors of the module itself."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):  # it is missing, or a package above it
            return None
        raise


def time_zone() -> str:
    """The name of the site's time zone, as System Settings say."""
    return _fact(_TIME_ZONE, get_system_timezone)


def hint_time_zone(name: str | None) -> None:
    """Take this for the site's time zone for FACT_SECONDS: reading System Settings costs a fresh process 0.8 ms."""
    if name:
        _keep_fact(_TIME_ZONE, name)


# Retries -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A Job Type's rules for retries. Without them the engine's own."""

    delays: tuple[int, ...] = ()
    """Seconds before each retry. The last value repeats."""
    retry_on: frozenset[str] = frozenset()
    never_retry_on: frozenset[str] = frozenset()
    """Names of exception classes, of base classes too."""
    base_delay: float = 60
    """Seconds before the first retry without `delays`. They double up to `delay_cap`."""
    delay_cap: float = 3_600


def has_breaker(job_type: JobType | None) -> bool:
    """Whether the circuits of a Job Type (its document, or None) matter."""
    return bool(job_type and job_type.is_enabled and job_type.enable_circuit_breaker)


def retry_policy(job_type: JobType | None, settings: Settings) -> RetryPolicy:
    """The policy of a Job Type, which may be gone by now."""
    said = job_type or frappe._dict()
    return RetryPolicy(
        delays=tuple(parse_delays(said.retry_delays)),
        retry_on=parse_names(said.retry_on),
        never_retry_on=parse_names(said.never_retry_on),
        base_delay=settings.retry_base_delay,
        delay_cap=settings.retry_delay_cap,
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
