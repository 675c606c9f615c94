"""Operations on many jobs. Each job is done or refused by itself, and the answer gives the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import frappe
from frappe import _

from .. import engine
from ..access import permission
from ..errors import DuplicateJobError, InvalidJobError
from ..job import find
from ..lib import config, plain_text
from ..lib.texts import cut
from ..read import visible_jobs
from ..status import JobStatus
from ..submit import dedup
from ..submit.after_commit import undone_on_error

MAX_JOBS = 500
SAVEPOINT, ONE = "dartwing_core_bulk", "dartwing_core_bulk_one"
REFUSALS = (frappe.ValidationError, frappe.PermissionError, frappe.DoesNotExistError, DuplicateJobError)
"""Errors by which a job's state or a permission refuses it. A lost transaction is not among them."""


def cancel_jobs(job_ids: Sequence[str], reason: str | None = None) -> dict[str, Any]:
    """Cancel these jobs, at most 500: `{done: [job ids], refused: {job id: reason}}`. See `cancel_job`."""
    names, refused = _visible(job_ids)
    # The attempt of a running job waits some seconds for this transaction to decide, and then ends without it.
    statuses = find.statuses(names) if names else {}
    names.sort(key=lambda name: statuses.get(name) == JobStatus.RUNNING)
    return _each(names, lambda name: engine.cancel_job(name, reason=reason), refused)


def retry_jobs(job_ids: Sequence[str]) -> dict[str, Any]:
    """Start a fresh series of attempts of these jobs. Answers like `cancel_jobs`. See `retry_job`."""
    return retry_visible(*_visible(job_ids))


def retry_visible(names: list[str], refused: dict[str, str] | None = None) -> dict[str, Any]:
    """`retry_jobs` of jobs that the user may see, any number. `refused`: reasons that the answer gives too."""
    dedup.lock_contents_of(names)  # before the row of the first one is locked
    return _each(names, engine.retry_job, refused or {})


def delete_jobs(job_ids: Sequence[str]) -> dict[str, Any]:
    """Delete these jobs, if they are over, with their history. Answers like `cancel_jobs`.

    Raises PermissionError unless the user is a System Manager.
    """
    names, refused = _visible(job_ids)
    permission.check_may_delete()
    return _each(names, lambda name: frappe.delete_doc(config.JOB, name), refused)


def _visible(job_ids: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """These jobs, each once, and the refusals of those that the user may not see.

    Raises InvalidJobError for more than MAX_JOBS ids.
    """
    if len(job_ids) > MAX_JOBS:
        raise InvalidJobError(_("At most {0} jobs at once.").format(MAX_JOBS))
    asked = list(dict.fromkeys(job_ids))
    visible = set(visible_jobs.visible_names(asked))
    refused = {cut(name): plain_text.of_error(visible_jobs.not_found(name)) for name in asked if name not in visible}
    return [name for name in asked if name in visible], refused


def _each(names: Sequence[str], work: Callable[[str], Any], refused: dict[str, str]) -> dict[str, Any]:
    """Do `work` for each job. An error that is no refusal leaves nothing done."""
    done: list[str] = []
    with undone_on_error(SAVEPOINT):
        for name in names:
            told = len(frappe.local.message_log)
            frappe.db.savepoint(ONE)
            try:
                work(name)
            except REFUSALS as error:
                frappe.db.rollback(save_point=ONE)
                del frappe.local.message_log[told:]  # the answer says it
                refused[name] = plain_text.of_error(error) or _("This is not allowed.")
            else:
                done.append(name)
    return {"done": done, "refused": refused}
