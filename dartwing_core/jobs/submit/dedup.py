"""One job at a time for one content: the nullable UNIQUE column `active_key` (invariant I6).

Correctness rests on the column alone. A duplicate key error also locks the gap below the key until the transaction
ends, against other jobs and tenants. Two things avoid such errors:

- A named lock makes a second submitter of a content wait for the first one's commit or rollback.
- Under it, the content's holder is read without locks, as committed right now. Only free contents are inserted.

`active_key` is the content's hash (`dedup_hash`) and a generation. The job with the highest one holds the content. Once
that job is over, the next gets the next generation. No value is used twice.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypedDict, cast

import frappe
from frappe import _
from frappe.query_builder.functions import Max, Substring
from pypika import Order
from pypika.queries import QueryBuilder
from pypika.terms import Criterion

from ..access import visibility
from ..errors import DuplicateJobError, InvalidJobError, JobBusyError
from ..job import find, record
from ..job.job_rows import HolderRow, JobRow
from ..lib import clock, config, named_locks, priorities, server_errors, sql
from ..lib.config import JobType
from ..lib.pieces import in_pieces
from ..lib.row_types import fields_of
from ..status import FINISHED, LIVE, JobStatus
from .after_commit import after_commit
from .request import Prepared


class DeduplicatedJob(TypedDict):
    """A job and its content's hash, if it is deduplicated."""

    name: str
    dedup_hash: str | None


LOCK_WAIT_SECONDS = 30
BATCH = 200
HASH_LENGTH = 64
HOLDER_FIELDS = fields_of(HolderRow)
RAISE, RETURN, REPLACE = POLICIES = ("raise", "return", "replace")


def lock(hashes: Collection[str]) -> None:
    """Lock these contents against other submitters until this transaction ends.

    Raises JobBusyError after LOCK_WAIT_SECONDS in all, or if a holder waits for a lock of this transaction. Contents
    are locked in order, so two bulk submits can't wait for each other.
    """
    if frappe.db.db_type != "mariadb":
        return
    names = sorted({named_locks.lock_name(content) for content in hashes})
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while names:
        number = _lock(names[:BATCH], deadline - time.monotonic())
        if not number:
            raise JobBusyError(_("The same job is being submitted by somebody else. Please try again."))
        names = names[number:]


def _lock(names: list[str], wait: float) -> int:
    """Wait so many seconds for the first lock, and take those behind it that are free. Returns how many it got.

    Releases locks behind one that is not free: a transaction must not wait for a lock while it has a later one.
    """
    calls = ", ".join(["GET_LOCK(%s, %s)"] * len(names))
    waits = [max(0, math.ceil(wait))] + [0] * (len(names) - 1)
    actions = after_commit()
    actions.locks += names  # before locking: a time limit may strike in the middle
    try:
        got = frappe.db.sql(f"SELECT {calls}", list(itertools.chain(*zip(names, waits, strict=True))))[0]
    except Exception as error:
        code = server_errors.database_code(error)
        if code == named_locks.NAMED_LOCKS_NOT_SUPPORTED:  # Galera: the UNIQUE column alone has to suffice
            return len(names)
        if code == server_errors.DEADLOCK:  # a deadlock of named locks, which undoes no transaction
            return 0
        raise
    number = next((position for position, is_ours in enumerate(got) if not is_ours), len(names))
    actions.release_locks(names[number:])
    return number


def lock_contents_of(jobs: Sequence[str]) -> None:
    """Lock the contents of these jobs, before their rows. Raises JobBusyError.

    A transaction that has locked a row must not wait for a content: the server does not see such a deadlock.
    """
    hashes = frappe.get_all(config.JOB, {"name": ["in", list(jobs)]}, pluck="dedup_hash") if jobs else []
    lock(set(filter(None, hashes)))


def unlock(content: str) -> None:
    """Release the lock of a content that this transaction will not insert."""
    name, actions = named_locks.lock_name(content), after_commit()
    if name in actions.locks:
        actions.release_locks([name])


def holders(hashes: Collection[str]) -> dict[str, HolderRow]:
    """The job that holds each content, over or not, by content. Reads without a lock.

    Reads as committed right now, which this transaction's snapshot may not show yet. Jobs to which this transaction
    itself has given a content are also read in it. A holder that it has canceled itself counts as canceled.
    """
    found = dict(_latest(hashes, sql.rows_outside_transaction))
    given = after_commit().given_contents
    for content, row in _latest(given.keys() & set(hashes), _rows_inside):
        if row["name"] in given[content]:
            found[content] = _later(row, found.get(content))
    if live := {row["name"]: row for row in found.values() if row["status"] in LIVE}:
        for name, status in find.statuses(list(live)).items():
            if status == JobStatus.CANCELED:
                live[name]["status"] = status
    return found


def _latest(
    hashes: Collection[str], read: Callable[[QueryBuilder], list[dict[str, Any]]]
) -> Iterator[tuple[str, HolderRow]]:
    for some in in_pieces(sorted(hashes), BATCH):
        for row in cast(list[HolderRow], read(_holders_query(some))):
            yield row["active_key"].partition(":")[0], row


def _later(ours: HolderRow, committed: HolderRow | None) -> HolderRow:
    """The one of two holders that this transaction has to believe."""
    if committed is None or ours["active_key"] > committed["active_key"]:
        return ours
    if ours["active_key"] == committed["active_key"] and committed["status"] not in LIVE:
        # Revived by this transaction, unless a savepoint has undone that: then its snapshot may show it alive.
        committed["status"] = sql.latest(config.JOB, committed["name"], "status") or committed["status"]
    return committed


def _holders_query(hashes: Sequence[str]) -> QueryBuilder:
    job = frappe.qb.DocType(config.JOB)
    is_one = Criterion.any([job.active_key.like(f"{content}:%") for content in hashes])
    query = frappe.qb.from_(job).select(*(job[field] for field in HOLDER_FIELDS))
    if len(hashes) == 1:
        return query.where(is_one).orderby(job.active_key, order=Order.desc).limit(1)
    content = Substring(job.active_key, 1, HASH_LENGTH)
    latest = frappe.qb.from_(job).select(Max(job.active_key).as_("active_key")).where(is_one).groupby(content)
    return query.join(latest).on(job.active_key == latest.active_key)


def _rows_inside(query: QueryBuilder) -> list[dict[str, Any]]:
    return query.run(as_dict=True)


def give_content(content: str, name: str, holder: HolderRow | None) -> str:
    """Note that this transaction gives a content to a job. Returns the job's `active_key`.

    `holder`: the job that has had the content so far, which may be the same job.
    """
    after_commit().given_contents.setdefault(content, set()).add(name)
    if holder and holder["name"] == name:
        return holder["active_key"]
    generation = int(holder["active_key"].partition(":")[2]) if holder else 0
    return f"{content}:{generation + 1:010d}"


def reclaim_content(job: JobRow, content: str | None) -> str | None:
    """The `active_key` for running an ended job again. Raises DuplicateJobError if a newer job holds its content."""
    keys, refused = reclaim_contents([{"name": job["name"], "dedup_hash": content}])
    if content and refused:
        unlock(content)
        raise refused[job["name"]]
    return keys[job["name"]]


def reclaim_contents(
    jobs: Sequence[DeduplicatedJob],
) -> tuple[dict[str, str | None], dict[str, DuplicateJobError]]:
    """The `active_key` of several jobs by name, and the errors of those that can't have one."""
    contents = {job["dedup_hash"] for job in jobs if job["dedup_hash"]}
    lock(contents)
    found = holders(contents) if contents else {}
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
            refused[name] = duplicate_error(holder, frappe.session.user)
        else:
            keys[name] = give_content(content, name, holder)
            taken.add(content)
    return keys, refused


def merge_equal(prepared: Sequence[Prepared]) -> dict[str, Prepared]:
    """Merge equal jobs of one bulk submit. Returns the job that stands for each, by the name of each job's row.

    The first of them does, with the last one's parameters if that replaces. Raises DuplicateJobError if one refuses.
    """
    first: dict[str, Prepared] = {}
    stands_for = {}
    for item in prepared:
        content = item.row["dedup_hash"]
        chosen = first.setdefault(content, item) if content else item
        if chosen is not item and item.on_duplicate == RAISE:
            raise DuplicateJobError(_("Two of these jobs are the same."))
        if chosen is not item and item.on_duplicate == REPLACE:
            _replace(chosen, item)
        stands_for[item.row["name"]] = chosen
    return stands_for


def _replace(chosen: Prepared, later: Prepared) -> None:
    """Give a request the parameters and priority of a later one. They replace those of an existing job too."""
    rank = priorities.rank(chosen.row["due_epoch"], later.row["priority"])
    chosen.write({**record.replaceable(later.row), "admission_rank": rank})
    if chosen.on_duplicate == RETURN:
        chosen.request = later.request


def is_over(job: HolderRow) -> bool:
    """Whether a job no longer holds its content: canceled, or finished and past its window."""
    if job["status"] == JobStatus.CANCELED:
        return True
    return job["status"] in FINISHED and (not job["dedup_until"] or job["dedup_until"] <= clock.site_time())


def is_abandoned(job: HolderRow) -> bool:
    """Whether a job waits whose owner has left the organization, or is disabled. It might wait for years."""
    owner = job["owner_user"]
    is_waiting = job["status"] in LIVE and job["status"] != JobStatus.RUNNING
    return is_waiting and not visibility.can_see(owner, owner, job["organization"])


def duplicate_error(found: HolderRow, user: str) -> DuplicateJobError:
    """The error for a duplicate. It names the existing job only to a user who may see it."""
    if found["owner_user"] and visibility.can_see(user, found["owner_user"], found["organization"]):
        text = _("The same job exists already: {0} ({1}).").format(found["name"], _(found["status"]))
        return DuplicateJobError(text, existing_job_id=found["name"], status=found["status"])
    text = _("A colleague submitted the same job already. Wait for it, or give yours a dedup_key of its own.")
    return DuplicateJobError(text)


def policy_of(asked: str | None, job_type: JobType, dedup_key: str | None) -> tuple[str, int]:
    """How long equal jobs are duplicates, by the caller or else the Job Type, and the window in seconds.

    A caller who names a key wants to find duplicates, also of a type that does not look for them. Raises
    InvalidJobError for a policy that there is not.
    """
    window = max(job_type.deduplication_window or 0, 0)
    policy = job_type.get("deduplication") or config.WITHIN_WINDOW
    if policy == config.WITHIN_WINDOW:
        policy = config.policy_of_window(window)
    if asked is None:
        is_asked = policy == config.NEVER and dedup_key is not None
        return (config.WHILE_UNFINISHED if is_asked else policy), window
    named = config.DEDUPLICATION.get(asked, asked) if isinstance(asked, str) else None  # also as the form says it
    if named not in config.DEDUPLICATION.values():
        raise InvalidJobError(_("deduplication must be one of: {0}.").format(", ".join(config.DEDUPLICATION)))
    return named, window or config.DEFAULT_WINDOW


def check_policy(on_duplicate: str) -> None:
    """Raises InvalidJobError for an unknown `on_duplicate`."""
    if on_duplicate not in POLICIES:
        raise InvalidJobError(_("on_duplicate must be one of: {0}.").format(", ".join(POLICIES)))


def is_duplicate(error: Exception) -> bool:
    """Whether an INSERT failed because its `active_key` is taken."""
    return frappe.db.is_unique_key_violation(error) and not frappe.db.is_primary_key_violation(error)
