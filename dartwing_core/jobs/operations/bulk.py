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
    return _each(job_ids, lambda name: engine.cancel_job(name, reason=reason), _running_last)


def retry_jobs(job_ids: Sequence[str]) -> dict[str, Any]:
    """Start a fresh series of attempts of these jobs. Answers like `cancel_jobs`. See `retry_job`."""
    return _each(job_ids, engine.retry_job, _locked)


def delete_jobs(job_ids: Sequence[str]) -> dict[str, Any]:
    """Delete these jobs, if they are over, with their history. Answers like `cancel_jobs`.

    Raises PermissionError unless the user is a System Manager.
    """
    _names(job_ids)
    permission.check_may_delete()
    return _each(job_ids, _delete)


def _delete(name: str) -> None:
    job = visible_jobs.visible_job(name, "name", "owner_user", "organization")
    frappe.delete_doc(config.JOB, job["name"])


def _running_last(names: list[str]) -> list[str]:
    """The attempt of a running job waits some seconds for this transaction to decide, and then ends without it."""
    statuses = find.statuses(names) if names else {}
    return sorted(names, key=lambda name: statuses.get(name) == JobStatus.RUNNING)


def _locked(names: list[str]) -> list[str]:
    dedup.lock_contents_of(names)
    return names


def _each(job_ids: Any, work: Callable[[str], Any], prepare: Callable[[list[str]], list[str]] = list) -> dict[str, Any]:
    """`prepare`: called with the visible jobs. Returns them in the order in which they are to be done."""
    names = {name.strip().casefold(): name for name in _names(job_ids)}  # spellings of one job, for the database
    with undone_on_error(SAVEPOINT):
        return _do_each(names, work, prepare)


def _do_each(
    names: dict[str, str], work: Callable[[str], Any], prepare: Callable[[list[str]], list[str]]
) -> dict[str, Any]:
    done: list[str] = []
    visible = {name.casefold() for name in visible_jobs.visible_names(list(names.values()))}
    refused = {
        cut(name): plain_text.of_error(visible_jobs.not_found(name))
        for spelled, name in names.items()
        if spelled not in visible
    }
    for name in prepare([name for spelled, name in names.items() if spelled in visible]):
        told = len(frappe.local.message_log)
        frappe.db.savepoint(ONE)
        try:
            work(name)
        except REFUSALS as error:
            frappe.db.rollback(save_point=ONE)
            del frappe.local.message_log[told:]  # the answer says it
            refused[cut(name)] = plain_text.of_error(error) or _("This is not allowed.")
        else:
            done.append(name)
    return {"done": done, "refused": refused}


def _names(job_ids: Any) -> list[str]:
    if isinstance(job_ids, list | tuple) and len(job_ids) > MAX_JOBS:
        raise InvalidJobError(_("At most {0} jobs at once.").format(MAX_JOBS))
    is_list = isinstance(job_ids, list | tuple) and all(isinstance(name, str) and name for name in job_ids)
    if not is_list:
        raise InvalidJobError(_("{0} must be a list of job ids.").format("job_ids"))
    return list(dict.fromkeys(job_ids))
