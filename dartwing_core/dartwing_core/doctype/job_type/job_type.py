from __future__ import annotations

from difflib import get_close_matches

import frappe
from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs.after.after_commit import after_commit
from dartwing_core.jobs.lib import config
from dartwing_core.jobs.line import queue_view
from dartwing_core.jobs.rq import redis_queue
from dartwing_core.jobs.submit.request import check_title_template
from dartwing_core.jobs.types import functions, handlers

RANGES: dict[str, tuple[float, float]] = {
    "default_timeout": (config.MIN_TIMEOUT, config.MAX_TIMEOUT),
    "max_retries": (0, config.MAX_RETRIES),
    "deduplication_window": (0, 365 * 86_400),
    "rate_limit": (0, 10_000),
    "rate_limit_window": (1, 86_400),
    "max_concurrent": (0, 10_000),
    "max_concurrent_per_organization": (0, 10_000),
    "circuit_breaker_failure_threshold": (0.01, 1),
    "circuit_breaker_min_samples": (1, 10_000),
    "circuit_breaker_window_minutes": (1, 1_440),
    "circuit_breaker_cooldown_minutes": (1, 1_440),
}


ALIKE = 0.87
"""How much of its letters a name shares with another one that was meant."""


def _names_of_exceptions(kind: type = BaseException) -> set[str]:
    """The names of all exceptions that are loaded."""
    return {kind.__name__}.union(*map(_names_of_exceptions, type.__subclasses__(kind)))


class JobType(Document):
    """A kind of background job: its handler, time limit, retries and limits."""

    display_name: str | None
    queue: str | None
    requires_permission: str | None
    job_title: str | None
    deduplication: str | None
    deduplication_window: int | None

    def validate(self) -> None:
        """Refuse numbers, queues, handlers and schemas with which no job could run.

        `flags.names`: what whoever wrote a declared type calls its fields, instead of the labels.
        """
        self.display_name = self.display_name or frappe.unscrub(self.type_name)
        self._choose_deduplication()
        for fieldname, (lowest, highest) in RANGES.items():
            if not lowest <= float(self.get(fieldname) or 0) <= highest:
                name = (self.flags.names or {}).get(fieldname) or _(self.meta.get_label(fieldname))
                frappe.throw(_("{0} must be between {1} and {2}.").format(name, lowest, highest))
        try:
            config.parse_delays(self.retry_delays)
        except ValueError:
            frappe.throw(_("Retry delays must be seconds, separated by commas, such as 10, 60, 600."))
        names = config.parse_names(f"{self.retry_on or ''},{self.never_retry_on or ''}")
        loaded = _names_of_exceptions() if names else set[str]()
        for name in names:
            if not name.isidentifier():
                frappe.throw(_("{0} is not the name of an exception.").format(name))
            as_long = [one for one in loaded if abs(len(one) - len(name)) <= 1]  # another may not be loaded here
            if name not in loaded and (meant := get_close_matches(name, as_long, 1, ALIKE)):
                frappe.throw(_("There is no exception {0}: did you mean {1}?").format(name, meant[0]))
        self.queue, queues = (self.queue or "").strip(), redis_queue.queue_names()
        if self.queue and self.queue not in queues:
            frappe.throw(_("There is no worker queue {0}. Use one of: {1}.").format(self.queue, ", ".join(queues)))
        self._validate_handlers()
        self._validate_schema()
        self._validate_permission()

    def on_update(self) -> None:
        """Wake workers after the commit, for jobs that may start now."""
        after_commit().add_once(queue_view.ring_for_line)  # jobs that it has stopped may start now

    def _choose_deduplication(self) -> None:
        self.deduplication = self.deduplication or config.policy_of_window(self.deduplication_window)
        if self.deduplication_window is None:
            self.deduplication_window = config.DEFAULT_WINDOW
        if self.deduplication == config.WITHIN_WINDOW and not self.deduplication_window:
            if not self.is_new() and self.has_value_changed("deduplication_window"):
                self.deduplication = config.NEVER  # 0 has always meant never
            else:
                self.deduplication_window = config.DEFAULT_WINDOW

    def _validate_handlers(self) -> None:
        for fieldname in ("handler_method", "timeout_handler_method", "dead_letter_handler_method"):
            self.set(fieldname, (self.get(fieldname) or "").strip())
        declared = handlers.declared_of(self.handler_method) if self.handler_method else None
        if declared and self.has_value_changed("job_title"):
            check_title_template(self.job_title or "", declared)
        if self.timeout_handler_method:
            handlers.declared_of(self.timeout_handler_method)
        if self.dead_letter_handler_method:
            functions.resolve(self.dead_letter_handler_method)

    def _validate_schema(self) -> None:
        """Refuse a schema from which no dialog can be made: it must be of an object with properties."""
        try:
            schema = frappe.parse_json(self.parameters_schema or "{}")
        except ValueError:
            schema = None
        properties = schema.get("properties", {}) if isinstance(schema, dict) else None
        if not isinstance(properties, dict) or not all(isinstance(value, dict) for value in properties.values()):
            frappe.throw(_("Parameters Schema must be a JSON Schema of an object, with properties."))

    def _validate_permission(self) -> None:
        requirement = (self.requires_permission or "").strip()
        doctype, colon, _ptype = (part.strip() for part in requirement.partition(":"))
        exists = frappe.db.exists("DocType", doctype) or (not colon and frappe.db.exists("Role", requirement))
        if requirement and not exists:
            frappe.throw(_("Requires Permission: there is no DocType or role {0}.").format(doctype))
        self.requires_permission = requirement
