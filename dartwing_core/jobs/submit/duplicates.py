"""Decides about a request for a job that exists already.

All requests of a submit are decided before anything is written, so that a refused one leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..access import visibility
from ..job import find, record
from ..job.job_rows import HolderRow
from ..lib.row_types import changed
from ..status import NOT_BEGUN, JobStatus
from . import dedup, submission
from .after_commit import after_commit
from .request import Prepared

if TYPE_CHECKING:
    from frappe.model.document import Document


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A request whose job exists already."""

    request: Prepared
    job: HolderRow
    is_replacing: bool
    """Whether the existing job gets the request's parameters."""

    def document(self, user: str) -> Document:
        """The existing job, after its replacement. Raises DuplicateJobError if it has begun meanwhile."""
        if self.is_replacing:
            self._replace(user)
        return submission.as_document(_shown(self.job, user))

    def _replace(self, user: str) -> None:
        if not record.replace_waiting(self.job, self.request.row):
            raise dedup.duplicate_error(self.job, user)
        if self.job["status"] == JobStatus.QUEUED:  # the new priority may have moved it to another queue
            after_commit().wake_for([changed(self.request.row, {"name": self.job["name"]})])


def decide(prepared: Sequence[Prepared], user: str) -> tuple[dict[str, Duplicate], list[str]]:
    """The requests whose job exists already, by the requested row's name. Other rows get their `active_key`.

    Also returns the abandoned jobs whose place new ones take. Raises DuplicateJobError if a request says so.
    """
    contents = {item.row["dedup_hash"] for item in prepared if item.row["dedup_hash"]}
    if not contents:
        return {}, []
    dedup.lock(contents)
    holders = dedup.holders(contents)
    found, abandoned = {}, []
    for item in prepared:
        content = item.row["dedup_hash"]
        if not content:
            continue
        holder = holders.get(content)
        if holder and dedup.is_abandoned(holder):
            abandoned.append(holder["name"])
        elif holder and not dedup.is_over(holder):
            dedup.unlock(content)
            found[item.row["name"]] = _decide(item, holder, user)
            continue
        item.row["active_key"] = dedup.give_content(content, item.row["name"], holder)
    return found, abandoned


def _decide(item: Prepared, job: HolderRow, user: str) -> Duplicate:
    may_see = visibility.can_see(user, job["owner_user"], job["organization"])
    is_own = job["owner_user"] == user
    # Only a waiting job is replaced: even an UPDATE that changes nothing would lock a running job's row.
    is_replacing = may_see and is_own and item.on_duplicate == dedup.REPLACE and job["status"] in NOT_BEGUN
    if not is_replacing and not (may_see and item.on_duplicate == dedup.RETURN):
        raise dedup.duplicate_error(job, user)
    return Duplicate(item, job, is_replacing)


def _shown(job: HolderRow, user: str) -> Mapping[str, Any]:
    """All columns of a job that the user may see."""
    row = find.load_whole(job["name"])
    return visibility.viewer(user).without_hidden_result(row) if row else job
