"""One job at a time for one content: the nullable UNIQUE column `active_key` (invariant I6).

Correctness rests on the column alone. The named lock in front of it makes a second submitter wait for the first
one's commit or rollback instead of running into a deadlock that would cost it its whole transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from . import access, clock, config, dispatch, sql, store
from .errors import DuplicateJobError, InvalidJobError, JobBusyError
from .status import FINISHED, JobStatus

if TYPE_CHECKING:
    from .submission import Prepared

LOCK_WAIT_SECONDS = 30
LOCK_BATCH = 200
NOT_SUPPORTED, DEADLOCK = 1235, 1213
_HOLDER = "SELECT name, status, owner_user, organization, dedup_until FROM `tabBackground Job` WHERE name = %s"
RAISE, RETURN, REPLACE = POLICIES = ("raise", "return", "replace")


def lock(keys: Iterable[str]) -> None:
    """Wait until no other open transaction is submitting one of these keys; held until this one ends.

    Raises JobBusyError if that takes longer than LOCK_WAIT_SECONDS, or if somebody who waits for a key of ours holds
    this one. Sorted, so that two bulk submits can't wait for each other.
    """
    if frappe.db.db_type != "mariadb":
        return
    names = sorted({_lock_name(key) for key in keys})
    for start in range(0, len(names), LOCK_BATCH):
        if not _lock(names[start : start + LOCK_BATCH]):
            raise JobBusyError(_("The same job is being submitted by somebody else. Please try again."))


def _lock(names: list[str]) -> bool:
    calls = ", ".join(["GET_LOCK(%s, %s)"] * len(names))
    values = [value for name in names for value in (name, LOCK_WAIT_SECONDS)]
    dispatch.outbox().locks += names  # before they are had: an error in the middle leaves the first ones held
    try:
        return all(frappe.db.sql(f"SELECT {calls}", values)[0])
    except Exception as error:
        code = sql.database_code(error)
        if code == NOT_SUPPORTED:  # Galera: the UNIQUE column alone has to do
            return True
        if code == DEADLOCK:  # of named locks alone, which undoes no transaction
            return False
        raise


def unlock(key: str) -> None:
    """Let others go ahead with a key that this transaction will not insert."""
    name, outbox = _lock_name(key), dispatch.outbox()
    if name in outbox.locks:
        outbox.release_locks([name])


def merge_equal(prepared: Sequence[Prepared]) -> dict[str, Prepared]:
    """Of equal jobs in one bulk submit, which one stands for each: by the name of each job's row.

    The first one, with the parameters of the last if that asks to replace. Raises DuplicateJobError where it does not.
    """
    first: dict[str, Prepared] = {}
    stands_for = {}
    for item in prepared:
        key = item.row["active_key"]
        chosen = first.setdefault(key, item) if key else item
        if chosen is not item and item.on_duplicate == RAISE:
            raise DuplicateJobError(_("Two of these jobs are the same."))
        if chosen is not item and item.on_duplicate == REPLACE:
            chosen.row.update({column: item.row[column] for column in store.REPLACEABLE})
        stands_for[item.row["name"]] = chosen
    return stands_for


def holder(key: str) -> dict | None:
    """The job that holds a key, also one committed after this transaction's snapshot.

    The locking read is answered from the unique index alone, so it neither waits for a worker nor ends in error 1020.
    What it does not hold is read without a lock, on another connection if need be.
    """
    names = frappe.db.sql("SELECT name FROM `tabBackground Job` WHERE active_key = %s LOCK IN SHARE MODE", (key,))
    if not names:
        return None
    found = _read(names[0][0])
    if found and is_over(found):
        return found
    return sql.outside_transaction(_HOLDER, (names[0][0],)) or found


def is_over(job: Mapping[str, Any]) -> bool:
    """Whether a job holds its key no more: it was canceled, or it has finished and its window has ended."""
    if job["status"] == JobStatus.CANCELED:
        return True
    return job["status"] in FINISHED and (not job["dedup_until"] or job["dedup_until"] <= clock.site_time())


def _read(name: str) -> dict | None:
    fields = ["name", "status", "owner_user", "organization", "dedup_until"]
    return frappe.db.get_value(config.JOB, name, fields, as_dict=True)


def free_if_over(key: str) -> bool:
    """Take the key from a job that was canceled, or that has finished and whose window has ended."""
    job = frappe.qb.DocType(config.JOB)
    finished = [str(status) for status in FINISHED]
    is_over = (job.status == str(JobStatus.CANCELED)) | (
        job.status.isin(finished) & (job.dedup_until.isnull() | (job.dedup_until <= clock.site_time()))
    )
    query = frappe.qb.update(job).set(job.active_key, None).where((job.active_key == key) & is_over)
    return bool(sql.run_update(query))


def duplicate_error(found: Mapping[str, Any], user: str) -> DuplicateJobError:
    """Names the existing job only to somebody who may see it."""
    if found["owner_user"] and access.can_see(user, found["owner_user"], found["organization"]):
        text = _("The same job exists already: {0} ({1}).").format(found["name"], _(found["status"]))
        return DuplicateJobError(text, existing_job_id=found["name"], status=found["status"])
    return DuplicateJobError(_("The same job was submitted already."))


def check_policy(on_duplicate: str) -> None:
    """Raises InvalidJobError for an unknown `on_duplicate`."""
    if on_duplicate not in POLICIES:
        raise InvalidJobError(_("on_duplicate must be one of: {0}.").format(", ".join(POLICIES)))


def is_duplicate(error: Exception) -> bool:
    """Whether an INSERT failed because its `active_key` is taken."""
    return frappe.db.is_unique_key_violation(error) and not frappe.db.is_primary_key_violation(error)


def keys_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [row["active_key"] for row in rows if row["active_key"]]


def _lock_name(key: str) -> str:
    """Named locks are the whole server's: the database's name keeps sites apart. At most 64 characters."""
    return f"{frappe.conf.db_name}:{key}"[:64]
