"""The reference of the Python API, `docs/python_api.md`: public names with their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from .site import ROOT

DOCUMENT = ROOT / "docs" / "python_api.md"
INTRODUCTION = """\
# Python API

The public names of `dartwing_core.jobs`. Everything else in that package may change.
Each function acts as the current user of Frappe, and sees what this user may see.

`./dev api` makes this page of the docstrings. Guides with examples: [writing handlers](writing_handlers.md),
[submitting](submitting.md), [workflows](workflows.md), [schedules](schedules.md).
"""
SECTIONS: dict[str, tuple[str, ...]] = {
    "Submitting jobs": ("submit_job", "submit_jobs"),
    "Changing jobs": (
        *("cancel_job", "retry_job", "reschedule_job", "run_now"),
        *("cancel_jobs", "retry_jobs", "delete_jobs"),
    ),
    "Reading jobs": ("get_job_status", "get_job_details", "open_file", "get_job_history", "list_jobs"),
    "Batches and workflows": (
        *("batch", "job", "chain", "group"),
        *("submit_batch", "cancel_batch", "retry_batch", "get_batch_status", "list_batches"),
    ),
    "Schedules": ("get_schedule", "list_schedules", "preview_schedule", "run_schedule_now"),
    "Dead letters": (
        *("get_dead_letter_jobs", "bulk_retry_dead_letter", "retry_dead_letters"),
        "delete_dead_letter_job",
    ),
    "Circuits": ("get_open_circuits", "manually_close_circuit"),
    "Figures": (
        *("get_job_counts", "get_metrics", "get_execution_time_stats", "get_slowest_jobs"),
        *("get_job_type_overview", "list_job_types"),
    ),
    "Handlers": ("job_handler", "JobContext", "current", "Secret"),
    "Instead of frappe.enqueue": ("enqueue", "enqueueable"),
    "Status": ("JobStatus",),
    "Errors that a handler raises": (
        *("JobError", "TransientError", "PermanentError", "JobCanceledError", "JobTimeoutError"),
    ),
    "Errors that a caller gets": (
        *("InvalidJobError", "InvalidTransitionError", "UnknownHandlerError", "DuplicateJobError", "JobBusyError"),
        *("RateLimitError", "QueueFullError", "JobNotFoundError", "BatchNotFoundError", "CircuitNotFoundError"),
        "ScheduleNotFoundError",
    ),
    "How the engine decides": ("classify_error", "get_error_type", "calculate_backoff", "generate_job_hash"),
}
TESTING = "Testing"
"""The section of `dartwing_core.jobs.testing`."""
LONGEST_LINE = 100


def renew() -> int:
    """Write the page; returns the number of names."""
    DOCUMENT.write_text(reference())
    return sum(map(len, SECTIONS.values())) + 1


def reference() -> str:
    """The page. Raises ValueError if SECTIONS and the public names are not the same."""
    from dartwing_core import jobs
    from dartwing_core.jobs import testing

    listed = {name for names in SECTIONS.values() for name in names}
    if unlisted := listed.symmetric_difference(jobs.__all__):
        raise ValueError(f"In SECTIONS or in dartwing_core.jobs, but not in both: {', '.join(sorted(unlisted))}")
    parts = [INTRODUCTION]
    for title, names in SECTIONS.items():
        parts += [f"## {title}\n", *(_described(name, getattr(jobs, name)) for name in names)]
    parts += [f"## {TESTING}\n", "From `dartwing_core.jobs.testing`.\n", *_offered_by(testing)]
    return "\n".join(parts)


def _offered_by(module: ModuleType) -> Iterator[str]:
    for name, found in vars(module).items():
        is_offered = inspect.isfunction(found) or inspect.isclass(found)
        if is_offered and found.__module__ == module.__name__ and not name.startswith("_"):
            yield _described(name, found)


def _described(name: str, found: Any) -> str:
    if not inspect.isclass(found):
        return "\n".join([f"### {name}\n", _code(f"{name}{_signature(found)}"), _text(found), *_made_class(found)])
    if issubclass(found, Exception):
        return "\n".join([f"### {name}\n", _code(f"{name}{_arguments_of_error(found)}"), _text(found), _origin(found)])
    if members := getattr(found, "__members__", None):
        values = ", ".join(f'`{key}` = "{member.value}"' for key, member in members.items())
        return "\n".join([f"### {name}\n", _text(found), f"{values}\n"])
    return "\n".join([f"### {name}\n", _text(found), *_methods(found)])


def _made_class(function: Any) -> Iterator[str]:
    """The methods of the class of ours that a function returns."""
    returned = function.__annotations__.get("return")
    made = vars(inspect.getmodule(function)).get(returned) if isinstance(returned, str) else None
    if inspect.isclass(made) and made.__module__ == function.__module__:
        yield from _methods(made)


def _methods(found: type) -> Iterator[str]:
    for name, member in vars(found).items():
        is_shown = inspect.isfunction(member) or isinstance(member, property)
        if is_shown and not name.startswith("_"):
            signature = (
                f": {_annotation(member.fget, 'return')}" if isinstance(member, property) else _signature(member)
            )
            yield "\n".join([f"#### {found.__name__}.{name}\n", _code(f"{name}{signature}"), _text(member)])


def _text(found: Any) -> str:
    """The docstring, each paragraph on one line."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(found.__doc__ or ""))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs) + "\n"


def _code(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n")) + "\n"


def _signature(function: Any) -> str:
    """Parameters and result as they are written, without `self`; one parameter a line if they are many."""
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "self"]
    shown = list(_parameters(parameters))
    result = _annotation(function, "return")
    result = f" -> {result}" if result else ""
    line = f"({', '.join(shown)}){result}"
    if len(line) <= LONGEST_LINE:
        return line
    return "(\n" + "".join(f"    {one},\n" for one in shown) + f"){result}"


def _parameters(parameters: list[inspect.Parameter]) -> Iterator[str]:
    is_keyword_only = False
    for one in parameters:
        if one.kind is one.KEYWORD_ONLY and not is_keyword_only:
            is_keyword_only = True
            if not any(other.kind is other.VAR_POSITIONAL for other in parameters):
                yield "*"
        star = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        annotation = "" if one.annotation is one.empty else f": {one.annotation}"
        default = "" if one.default is one.empty else f"{' = ' if annotation else '='}{one.default!r}"
        yield f"{star}{one.name}{annotation}{default}"


def _annotation(function: Any, name: str) -> str:
    found = function.__annotations__.get(name, "")
    return found if isinstance(found, str) else getattr(found, "__name__", str(found))


def _arguments_of_error(error: type[Exception]) -> str:
    """Those of an error of ours; Frappe's take a message."""
    made = error.__init__
    return (
        _signature(made) if inspect.isfunction(made) and made.__module__.startswith("dartwing_core.") else "(message)"
    )


def _origin(error: type[Exception]) -> str:
    """The class it is derived from, and the HTTP status of its answer."""
    base = error.__bases__[0]
    name = (
        base.__name__
        if base.__module__.startswith("dartwing_core.") or base is Exception
        else f"frappe.{base.__name__}"
    )
    status = getattr(error, "http_status_code", None)
    return f"Subclass of `{name}`{f'. HTTP status {status}' if status else ''}.\n"
