"""Jobs that wait for another job (`depends_on`).

A waiting child is only a Pending row: it takes no worker, and no RQ entry until its parent has completed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from frappe import _

from . import access, config, dispatch, sql, store
from .errors import InvalidJobError
from .status import JobStatus

RELEASE_LIMIT = 500
ENDED_BADLY = frozenset({JobStatus.CANCELED, JobStatus.DEAD_LETTER})


def check(depends_on: str | None, organization: str, user: str) -> bool:
    """Whether a new job has to wait for `depends_on`.

    Raises InvalidJobError, with the same words in each case, if that job does not exist, belongs to another
    organization or may not be seen, and with the reason if it can never complete.
    """
    if not depends_on:
        return False
    if not isinstance(depends_on, str):
        raise InvalidJobError(_("depends_on must be the id of a job."))
    parent = store.load(depends_on, "name", "status", "organization", "owner_user")
    is_visible = bool(
        parent and parent["organization"] == organization and access.can_see(user, parent["owner_user"], organization)
    )
    if parent is None or not is_visible:
        raise InvalidJobError(
            _("depends_on: background job {0} not found in this organization.").format(str(depends_on)[:60])
        )
    if parent["status"] in ENDED_BADLY:
        raise InvalidJobError(
            _("depends_on: background job {0} is {1} and will not complete.").format(depends_on, _(parent["status"]))
        )
    return parent["status"] != str(JobStatus.COMPLETED)


def parent_ended(parent: str) -> None:
    """Release or end the children of a job that has just settled; commits. Only in workers and the sweeper."""
    waiting = store.children(parent, limit=1)
    if not waiting:
        return
    status = store.load(parent, "status")
    if status and status["status"] == str(JobStatus.COMPLETED):
        dispatch.queue_due_children(parent, RELEASE_LIMIT)
    elif status and status["status"] in ENDED_BADLY:
        end_orphans(store.orphans(RELEASE_LIMIT))


def end_orphans(orphans: Sequence[Mapping[str, Any]]) -> int:
    """Move jobs whose parent will never complete to Dead Letter, saying why; commits each."""
    ended = 0
    for job in orphans:
        fate = f"is {job['parent_status']}" if job["parent_status"] else "was deleted"
        message = f"The job it depends on, {job['depends_on']}, {fate}"
        values = {"error_message": message, "error_type": "Permanent"}
        end = partial(store.transition, job, JobStatus.DEAD_LETTER, message, values=values, actor=config.ENGINE)
        ended += sql.committed(end)
    return ended
