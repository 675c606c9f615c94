"""Settings of the engine and of Job Types, and hooks. Claims and handlers read the former from the database, others
through Frappe's caches.

Also the engine's own constants: names of DocTypes, bounds.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
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
REMOVAL = "Organization Removal"
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


JobType: TypeAlias = Any
"""The document or row of a Job Type. A whole number of 0 or None is not set."""


_kept_values: ContextVar[dict[Any, tuple[float, Any]] | None] = ContextVar("kept_values", default=None)
"""What this thread has read while `keeping` is entered, and until when that is good, as `time.monotonic()`."""
KEPT_SECONDS = 0.25
PASSES_CACHE = "passes_cache_of_settings_and_job_types"
"""A flag of Frappe's while `passing_cache` is entered."""


@contextmanager
def keeping(is_kept: bool = True) -> Iterator[None]:
    """Read settings, Job Types, hooks and the time zone at most once in KEPT_SECONDS while entered, in this thread.

    For many jobs: a process empties Frappe's caches between two of them. With `is_kept=False`, while a handler runs,
    what is in force is read.
    """
    outer = _kept_values.get()
    token = _kept_values.set(({} if outer is None else outer) if is_kept else None)
    try:
        yield
    finally:
        _kept_values.reset(token)


@contextmanager
def passing_cache() -> Iterator[None]:
    """Read settings and Job Types from the database: in claims, which decide, and in attempts.

    Frappe's cache keeps for all what somebody read in an old snapshot, such as a type that was not paused then. An
    attempt's snapshot is as old as its handler's first read. A time limit may strike in here: flags end with the job.
    """
    before = frappe.flags.get(PASSES_CACHE)
    frappe.flags[PASSES_CACHE] = True
    try:
        yield
    finally:
        frappe.flags[PASSES_CACHE] = before


def read_anew() -> None:
    """Read it all again: what a claim sees is not older than the claim."""
    (_kept_values.get() or {}).clear()


def _kept(key: Any, read: Callable[[], Any]) -> Any:
    good_until, value = (_kept_values.get() or {}).get(key, (0.0, None))
    if value is None or time.monotonic() > good_until:
        value = read()
        _keep(key, value)
    return value


def _keep(key: Any, value: Any) -> None:
    values = _kept_values.get()
    if values is not None:
        values[key] = time.monotonic() + KEPT_SECONDS, value


def settings() -> Any:
    """The settings in force: the fields of Job Engine Settings as attributes."""
    return _kept("settings", _read_settings)


def job_type(name: str) -> JobType | None:
    """The Job Type. None if there is none of this name."""
    return _kept(("type", name), lambda: _read_job_type(name))


def job_types(names: Collection[str]) -> dict[str, JobType | None]:
    """The Job Types of these names as the database has them, in one statement."""
    table = frappe.qb.DocType(JOB_TYPE)
    rows = frappe.qb.from_(table).select("*").where(table.name.isin(list(names))).run(as_dict=True) if names else []
    found = {row.name: row for row in rows}
    for name, row in found.items():
        _keep(("type", name), row)
    return {name: found.get(name) for name in names}


def hook(name: str) -> Any:
    """The declarations of all apps in a hook, as `frappe.get_hooks` gives it. An empty list if no app does."""
    return _kept(("hook", name), lambda: frappe.get_hooks(name))


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
    return _kept("time zone", get_system_timezone)


def _read_settings() -> Any:
    """The saved settings. A number that is missing or 0 is its default, but for `slice_seconds`, where 0 has a use."""
    passes = frappe.flags.get(PASSES_CACHE)
    saved = frappe.db.get_singles_dict(SETTINGS, cast=True) if passes else frappe.get_cached_doc(SETTINGS)
    values = frappe._dict()
    for field in frappe.get_meta(SETTINGS).fields:
        value = saved.get(field.fieldname)
        is_set = value is not None if field.fieldname == ZERO_IS_OFF else bool(value)
        values[field.fieldname] = value if is_set or field.fieldtype != "Int" else cint(field.default)
    return values


def _read_job_type(name: str) -> JobType | None:
    if frappe.flags.get(PASSES_CACHE):
        return job_types([name])[name]
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
