"""Settings of the engine and of Job Types, and hooks, read through Frappe's caches (no SQL when warm).

Also the engine's own constants: names of DocTypes, bounds.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import frappe
from frappe.model.document import get_doc  # unlike `frappe.get_doc`, it replaces no cached document
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
"""The document of a Job Type. A whole number of 0 or None is not set."""


_kept_values: ContextVar[dict[Any, tuple[float, Any]] | None] = ContextVar("kept_values", default=None)
"""What this thread has read while `keeping` is entered, and until when that is good, as `time.monotonic()`."""
KEPT_SECONDS = 0.25
_is_cache_passed: ContextVar[bool] = ContextVar("is_cache_passed", default=False)
"""Whether `passing_cache` is entered in this thread."""


@contextmanager
def keeping(is_kept: bool = True) -> Iterator[None]:
    """Read settings, Job Types, hooks and the time zone at most once in KEPT_SECONDS while entered, in this thread.

    For many jobs: a process empties Frappe's caches between two of them. With `is_kept=False`, while a handler runs,
    what is in force is read.
    """
    token = _kept_values.set((_kept_values.get() or {}) if is_kept else None)
    try:
        yield
    finally:
        _kept_values.reset(token)


@contextmanager
def passing_cache() -> Iterator[None]:
    """Read settings and Job Types from the database, in an attempt: its snapshot is as old as its handler's first read.

    What is read there, such as a type that was not paused then, Frappe's cache would keep for all.
    """
    token = _is_cache_passed.set(True)
    try:
        yield
    finally:
        _is_cache_passed.reset(token)


def read_anew() -> None:
    """Read it all again: what a claim sees is not older than the claim."""
    (_kept_values.get() or {}).clear()


def _kept(key: Any, read: Callable[[], Any]) -> Any:
    values = _kept_values.get()
    if values is None:
        return read()
    good_until, value = values.get(key, (0.0, None))
    if value is None or time.monotonic() > good_until:
        value = read()
        values[key] = time.monotonic() + KEPT_SECONDS, value
    return value


def settings() -> Any:
    """The settings in force: the fields of Job Engine Settings as attributes."""
    return _kept("settings", _read_settings)


def job_type(name: str) -> JobType | None:
    """The Job Type document, from the cache. None if there is none of this name."""
    return _kept(("type", name), lambda: _read_job_type(name))


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
    saved = _read_document(SETTINGS, SETTINGS)
    values = frappe._dict()
    for field in saved.meta.fields:
        value = saved.get(field.fieldname)
        is_set = value is not None if field.fieldname == ZERO_IS_OFF else bool(value)
        values[field.fieldname] = value if is_set or field.fieldtype != "Int" else cint(field.default)
    return values


def _read_job_type(name: str) -> JobType | None:
    try:
        return _read_document(JOB_TYPE, name)
    except frappe.DoesNotExistError:
        frappe.clear_last_message()
        return None


def _read_document(doctype: str, name: str) -> Any:
    return get_doc(doctype, name) if _is_cache_passed.get() else frappe.get_cached_doc(doctype, name)


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
