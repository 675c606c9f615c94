"""One job at a time for one content: the nullable UNIQUE column `active_key` (invariant I6).

Correctness rests on the column alone. But a duplicate key error would lock the gap below the key until the transaction
ends, against other jobs and tenants. Two things avoid such errors:

- A named lock makes a second submitter of a content wait for the first one's commit or rollback.
- Under it, the content's holder is read without row locks. Only free contents are inserted.

`active_key` is the content's hash (`dedup_hash`) and a generation. The job with the highest one holds the content. Once
that job is over, the next gets the next generation. No value is used twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

import frappe
from frappe import _
from frappe.query_builder.functions import Max, Substring
from frappe.utils import create_batch
from pypika import Order
from pypika.queries import QueryBuilder
from pypika.terms import Criterion

from ..access import visibility
from ..after.after_commit import after_commit
from ..errors import DuplicateJobError, JobBusyError
from ..job import find, record
from ..lib import clock, config, sql
from ..lib.rows import HolderRow, changed, fields_of
from ..lib.tables import JOB
from ..rq import doorbells
from ..status import FINISHED, LIVE, NOT_BEGUN, JobStatus, word_of
from .request import RAISE, REPLACE, RETURN, Prepared, as_document

LOCK_WAIT_SECONDS = 30
READ_AT_ONCE = 200
HASH_LENGTH = 64


# Which job holds a content -------------------------------------------------------------------------------------------


def lock(contents: Collection[str]) -> None:
    """Lock these contents against other submitters until this transaction ends.

    Raises JobBusyError if another transaction keeps one for LOCK_WAIT_SECONDS, or waits for a lock of this one.
    Contents are locked in order, so two bulk submits can't wait for each other.
    """
    names, actions = sorted({sql.lock_name(content) for content in contents}), after_commit()
    for some in create_batch(names, sql.LOCKS_AT_ONCE):
        actions.locks += some  # before locking: a time limit may strike in the middle
        if not sql.acquire_locks(some, LOCK_WAIT_SECONDS):
            raise JobBusyError(_("Someone else is submitting the same job right now. Please try again."))


def lock_contents_of(jobs: Sequence[str]) -> None:
    """Lock the contents of these jobs, before their rows. Raises JobBusyError.

    A transaction that has locked a row must not wait for a content: the server does not see such a deadlock.
    """
    hashes = frappe.get_all(config.JOB, {"name": ["in", list(jobs)]}, pluck="dedup_hash") if jobs else []
    lock(set(filter(None, hashes)))


def holders(contents: Collection[str]) -> dict[str, HolderRow]:
    """The job that holds each content, over or not, by content. Reads without a lock.

    The transaction's snapshot may be older than the last holder, so they are read as committed right now. Where this
    transaction itself may have given the content to a job, or canceled its holder, they are read in it as well.
    """
    found = _latest(contents, sql.rows_outside_transaction)
    live = {content for content, row in found.items() if row["status"] in LIVE}
    ours = _latest(live | (after_commit().given_contents & set(contents)), lambda query: query.run(as_dict=True))
    for content, row in ours.items():
        found[content] = _later(row, found.get(content))
    return found


def _later(seen: HolderRow, committed: HolderRow | None) -> HolderRow:
    """The one of two holders that this transaction has to believe: as it sees it, or as committed."""
    if committed is None or seen["active_key"] > committed["active_key"]:
        return seen
    if seen["active_key"] < committed["active_key"]:
        return committed
    if seen["status"] == JobStatus.CANCELED:
        return seen  # canceled by this transaction
    if seen["status"] in LIVE and committed["status"] not in LIVE:
        # Revived by this transaction, or its snapshot is old.
        committed["status"] = sql.latest(config.JOB, committed["name"], "status") or committed["status"]
    return committed


def _latest(contents: Collection[str], read: Callable[[QueryBuilder], list[dict[str, Any]]]) -> dict[str, HolderRow]:
    found: dict[str, Any] = {}
    for some in create_batch(sorted(contents), READ_AT_ONCE):
        found |= {row["active_key"].partition(":")[0]: row for row in read(_holders_query(some))}
    return found


def _holders_query(contents: Sequence[str]) -> QueryBuilder:
    is_one = Criterion.any([JOB.active_key.like(f"{content}:%") for content in contents])
    query = frappe.qb.from_(JOB).select(*(JOB[field] for field in fields_of(HolderRow)))
    if len(contents) == 1:  # it may have had thousands of jobs
        return query.where(is_one).orderby(JOB.active_key, order=Order.desc).limit(1)
    content = Substring(JOB.active_key, 1, HASH_LENGTH)
    latest = frappe.qb.from_(JOB).select(Max(JOB.active_key).as_("active_key")).where(is_one).groupby(content)
    return query.join(latest).on(JOB.active_key == latest.active_key)


def is_over(job: HolderRow) -> bool:
    """Whether a job no longer holds its content: canceled, abandoned, or finished and past its window."""
    if job["status"] == JobStatus.CANCELED:
        return True
    if job["status"] in FINISHED:
        return job["dedup_until_epoch"] <= clock.now_epoch()
    # It waits, maybe for years, and its owner has left or is disabled: it will be refused when it starts.
    owner = job["owner_user"]
    return job["status"] != JobStatus.RUNNING and not visibility.can_see(owner, owner, job["organization"])


def _give(content: str, name: str, holder: HolderRow | None) -> str:
    """Note that this transaction gives a content to a job. Returns the job's `active_key`.

    `holder`: the job that has had the content so far, which may be the same job.
    """
    after_commit().given_contents.add(content)
    if holder and holder["name"] == name:
        return holder["active_key"]
    generation = int(holder["active_key"].partition(":")[2]) if holder else 0
    return f"{content}:{generation + 1:010d}"


# A submit ------------------------------------------------------------------------------------------------------------


def merge_equal(jobs: Sequence[Prepared]) -> list[Prepared]:
    """The job that stands for each of one submit: of equal ones the first, or the last one that replaces.

    Raises DuplicateJobError if a later one refuses.
    """
    chosen: dict[str, Prepared] = {}
    contents = [job.row["dedup_hash"] or job.row["name"] for job in jobs]
    for content, job in zip(contents, jobs, strict=True):
        if content in chosen and job.request.on_duplicate == RAISE:
            raise DuplicateJobError(_("Two of these jobs are the same."))
        if content not in chosen or job.request.on_duplicate == REPLACE:
            chosen[content] = job
    return [chosen[content] for content in contents]


def find_existing(jobs: Collection[Prepared], user: str) -> None:
    """Find the equal jobs that exist already. The other rows get their `active_key`. Writes nothing.

    So a refused submit leaves nothing behind. Raises DuplicateJobError if a request says so.
    """
    by_content = {job.row["dedup_hash"]: job for job in jobs if job.row["dedup_hash"]}
    lock(by_content)
    found = holders(by_content)
    for content, job in by_content.items():
        holder = found.get(content)
        if not holder or is_over(holder):
            job.row["active_key"] = _give(content, job.row["name"], holder)
            continue
        # This transaction will not insert the content: equal requests need not wait for its end.
        after_commit().locks.remove(sql.lock_name(content))
        sql.release_locks([sql.lock_name(content)])
        # Only a waiting job is replaced: even an UPDATE that changes nothing would lock a running job's row.
        may_replace = holder["owner_user"] == user and holder["status"] in NOT_BEGUN
        may_stand = job.request.on_duplicate == RETURN or (job.request.on_duplicate == REPLACE and may_replace)
        if not may_stand or not visibility.can_see(user, holder["owner_user"], holder["organization"]):
            raise _duplicate_error(holder, user)
        job.existing = holder


def take_existing(job: Prepared, user: str) -> None:
    """Replace the job that exists already, if the request says so. Load its document.

    Raises DuplicateJobError if one to be replaced has begun meanwhile.
    """
    existing = cast(HolderRow, job.existing)
    if job.request.on_duplicate == REPLACE:
        if not record.replace_waiting(existing, job.row):
            raise _duplicate_error(existing, user)
        if existing["status"] == JobStatus.QUEUED:  # the new priority may have moved it to another queue
            doorbells.ring_after_commit([changed(job.row, {"name": existing["name"]})])
    row: Mapping[str, Any] | None = find.load_sealed(existing["name"], "*")
    job.found = as_document(visibility.viewer(user).without_hidden_result(row) if row else existing)


def _duplicate_error(found: HolderRow, user: str) -> DuplicateJobError:
    """The error for a duplicate. It names the existing job only to a user who may see it."""
    if found["owner_user"] and visibility.can_see(user, found["owner_user"], found["organization"]):
        text = _("This job already exists: {0} ({1}).").format(found["name"], word_of(found["status"]))
        return DuplicateJobError(text, existing_job_id=found["name"], status=found["status"])
    text = _("Someone else has already submitted this job. Wait until it ends, or use another dedup_key.")
    return DuplicateJobError(text)


# A retry -------------------------------------------------------------------------------------------------------------


def reclaim_contents(jobs: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str | None], dict[str, DuplicateJobError]]:
    """The `active_key` for running ended jobs again, by name, and the errors of those whose content a newer job holds.

    `jobs`: each with its `name` and its `dedup_hash`.
    """
    contents = {job["dedup_hash"] for job in jobs if job["dedup_hash"]}
    lock(contents)
    found = holders(contents)
    holding = {holder["name"] for holder in found.values()}
    keys: dict[str, str | None] = {}
    refused: dict[str, DuplicateJobError] = {}
    taken: set[str] = set()
    for job in sorted(jobs, key=lambda job: job["name"] not in holding):  # holders of a content come first
        name, content = job["name"], job["dedup_hash"]
        holder = found.get(content) if content else None
        if not content:
            keys[name] = None
        elif content in taken:
            refused[name] = DuplicateJobError(_("Two of these jobs are the same."))
        elif holder and holder["name"] != name and not is_over(holder):
            refused[name] = _duplicate_error(holder, frappe.session.user)
        else:
            keys[name] = _give(content, name, holder)
            taken.add(content)
    return keys, refused
