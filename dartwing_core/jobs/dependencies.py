"""Jobs that wait for another job (`depends_on`).

A waiting child is only a Pending row: it takes no worker, and no RQ entry until its parent has completed. `waits_for`
names the parent until then, and is empty from then on, whatever becomes of the parent's row.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from frappe import _

from . import access, admission, backlog, config, dispatch, sql, store, waiting
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
    if not backlog.children(parent, limit=1):
        return
    found = store.load(parent, "status")
    status = found["status"] if found else None
    if status == str(JobStatus.COMPLETED):
        queues: set[str] = set()
        while released := release(parent, RELEASE_LIMIT):
            queues.update(job["queue"] for job in released)
        for queue in sorted(queues):
            dispatch.quietly(partial(admission.admit, queue))
    elif status in ENDED_BADLY:
        end(parent, status, RELEASE_LIMIT)


def release(parent: str, limit: int) -> list[dict[str, Any]]:
    """Let jobs that wait for a completed job line up, or wait for their time; returns those, and commits."""

    def move() -> list[dict[str, Any]]:
        children = backlog.children(parent, limit)
        return children if waiting.line_up([job["name"] for job in children]) else []

    return sql.committed(move)


def end(parent: str, parent_status: str | None, limit: int) -> int:
    """Move the jobs that wait for one that will never complete to Dead Letter, and those that wait for them.

    Says why, and commits each; returns how many. `parent_status`: None if it is gone.
    """
    ended = 0
    parents = [(parent, parent_status)]
    while parents and ended < limit:
        name, status = parents.pop()
        message = f"The job it depends on, {name}, {f'is {status}' if status else 'was deleted'}"
        values = {"error_message": message, "error_type": "Permanent"}
        for job in backlog.children(name, limit - ended):
            move = partial(store.transition, job, JobStatus.DEAD_LETTER, message, values=values, actor=config.ENGINE)
            if sql.committed(move):
                ended += 1
                parents.append((job["name"], str(JobStatus.DEAD_LETTER)))
    return ended
