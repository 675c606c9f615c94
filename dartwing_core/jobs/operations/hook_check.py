"""A check of the hooks in which apps name events, Job Types and functions of jobs.

Changes of jobs pass over events and functions that do not exist, so that a wrong hook fails no change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import frappe
from frappe import _

from ..access import tenancy
from ..errors import UnknownHandlerError
from ..job import event_jobs
from ..lib import config
from ..lib.texts import as_sentence, cut, describe_unknown
from ..types import declared_types, functions, named_code, named_paths

SITE_CONFIG = "site_config.json"
OURS = ("background_job", "job_batch")
"""How the names of the engine's hooks begin."""


def find_problems() -> list[str]:
    """Sentences about wrong words in hooks of installed apps and in site_config.json.

    Imports the code that the hooks name. An error of a check is a sentence, too.
    """
    known = _Known()
    found: list[str] = []
    for source, hooks in _sources():
        found += _unknown_hooks(source, hooks)
        for hook, check in CHECKS.items():
            if hooks.get(hook):
                report = _Report(known)
                _run(check, report, hook, hooks[hook])
                found += [_("{0}, hook {1}: {2}").format(source, *problem) for problem in report.problems]
    return found


def _unknown_hooks(source: str, hooks: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about names that look like hooks of the engine, and are none."""
    known = {*CHECKS, tenancy.HOOK}
    for hook in sorted(hooks):
        if hook.startswith(OURS) and hook not in known:
            wrong = as_sentence(describe_unknown([hook], known))
            yield _("{0}: {1} Correct the name of the hook.").format(source, wrong)


def _sources() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The hooks of each app, by its name. The site's configuration has lists of the same names."""
    for app in frappe.get_installed_apps(_ensure_on_bench=True):
        yield app, frappe.get_hooks(app_name=app)
    yield SITE_CONFIG, {hook: frappe.conf.get(hook) for hook in (named_paths.HOOK, functions.HOOK)}


class _Known:
    """The names of Job Types, read once."""

    @cached_property
    def job_types(self) -> Mapping[str, str | None]:
        """The state of each type's code."""
        return dict(frappe.get_all(config.JOB_TYPE, fields=["name", "code_state"], as_list=True))


class _Report:
    """The problems of one hook, each with its place in the hook."""

    def __init__(self, known: _Known) -> None:
        self.known = known
        self.problems: list[tuple[str, str]] = []

    def add(self, place: str, text: str) -> None:
        self.problems.append((place, text))

    def entries(self, place: str, declared: Any, example: str) -> Iterator[tuple[str, Any, str]]:
        """The keys and values of a dict, each with its own place."""
        if not isinstance(declared, Mapping):
            self.add(place, _("write a dict, such as {0}.").format(f'{{"{example}": …}}'))
            return
        for key, value in declared.items():
            yield str(key), value, f'{place}["{cut(key)}"]'

    def check_event(self, place: str, event: str, events: Collection[str]) -> None:
        if event not in events:
            wrong = as_sentence(_("event {0}").format(describe_unknown([event], events)))
            self.add(place, _("{0} Correct the name.").format(wrong))

    def check_type(self, place: str, name: str) -> None:
        known = self.known.job_types
        if name not in known:
            wrong = as_sentence(_("Job Type {0}").format(describe_unknown([name], known, lists_known=False)))
            self.add(place, _("{0} Correct the name, or declare the type.").format(wrong))
        elif known[name] == declared_types.GONE:
            wrong = _("Job Type {0} is no longer in code, and takes no jobs.").format(name)
            self.add(place, f"{wrong} {_('Declare it again, or take it out of the hook.')}")

    def check_code(self, place: str, name: Any, check: Callable[[Any], None]) -> None:
        try:
            check(name)
        except UnknownHandlerError as error:
            self.add(place, str(error))


Check = Callable[[_Report, str, Any], None]


def _run(check: Check, report: _Report, hook: str, declared: Any) -> None:
    try:
        check(report, hook, declared)
    except Exception as error:  # the install or migration that prints the problems goes on
        report.add(hook, _("it can't be checked: {0}: {1}").format(type(error).__name__, error))


def _check_job_events(report: _Report, hook: str, declared: Any) -> None:
    for job_type, by_event, place in report.entries(hook, declared, event_jobs.ANY_TYPE):
        if job_type != event_jobs.ANY_TYPE and isinstance(by_event, Mapping):
            report.check_type(hook, job_type)
        _check_functions(report, place, by_event, event_jobs.EVENTS)


def _check_batch_events(report: _Report, hook: str, declared: Any) -> None:
    _check_functions(report, hook, declared, event_jobs.BATCH_EVENTS)


def _check_functions(report: _Report, place: str, by_event: Any, events: Collection[str]) -> None:
    for event, paths, within in report.entries(place, by_event, "failed"):
        report.check_event(place, event, events)
        for path in _listed(paths):
            report.check_code(within, path, named_code.check_function)


def _check_handlers(report: _Report, hook: str, declared: Any) -> None:
    for path in _listed(declared):
        report.check_code(hook, path, named_code.check_module_or_function)


def _check_patterns(report: _Report, hook: str, declared: Any) -> None:
    for pattern in _listed(declared):
        report.check_code(hook, pattern, named_code.check_pattern)


def _listed(declared: Any) -> list[Any]:
    """The values of a hook. Frappe makes a list of a single one; the site's configuration may hold it alone."""
    return declared if isinstance(declared, list) else [declared]


CHECKS: dict[str, Check] = {
    event_jobs.HOOK: _check_job_events,
    event_jobs.BATCH_HOOK: _check_batch_events,
    named_paths.HOOK: _check_handlers,
    functions.HOOK: _check_patterns,
}
"""The check of each hook's value."""
