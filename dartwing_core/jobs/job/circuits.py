"""All SQL on Job Circuit, and the meaning of its rows: whose jobs may not start, and which attempt is the probe.

A circuit belongs to a Job Type with a circuit breaker and an organization. It has a row from the first time it opens.
While it is open none of their jobs starts. After the cool-down one attempt may start, the probe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import frappe
from frappe.query_builder.functions import Max, Sum
from pypika import Case, Order
from pypika.functions import Coalesce
from pypika.terms import Criterion

from ..lib import clock, config, ids, sql
from ..lib.config import JobType
from ..lib.rows import Columns, MovableJob, TypeAndOrganization, fields_of
from ..lib.sql import insert_rows, standard_columns, update_query
from ..lib.tables import CIRCUIT, JOB, RUN
from ..status import JobStatus
from . import find


class CircuitRow(TypeAndOrganization):
    """A circuit, with the columns for people."""

    name: str
    status: str
    opened_at: datetime | None
    open_until: datetime | None
    failures: int
    samples: int
    probe_job: str | None


OPEN, HALF_OPEN, CLOSED = "Open", "Half Open", "Closed"
NOT_CLOSED = (OPEN, HALF_OPEN)
LATEST = 1_000  # so many attempts of the window count, the latest, or the Job Type's minimum if that is more
PUBLIC_FIELDS = fields_of(CircuitRow)
Pair = tuple[str, str]  # organization and Job Type


def key(job: TypeAndOrganization) -> str:
    """A short key, one for all jobs of a type and organization."""
    pair = repr((job["job_type"], job["organization"]))
    return hashlib.sha1(pair.encode(), usedforsecurity=False).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Circuit:
    """A circuit that is not closed, as a snapshot shows it."""

    name: str
    job_type: str
    organization: str
    status: str
    open_until_epoch: float
    probe_job: str | None
    probe_attempt: int
    is_probed: int
    """1 while the attempt noted as its probe is running, else 0."""

    @property
    def is_cooling(self) -> bool:
        """Whether no job may start, not even a probe."""
        return self.status == OPEN and clock.now_epoch() < self.open_until_epoch

    @property
    def stops_jobs(self) -> bool:
        """Whether no job may start now."""
        return self.is_cooling or (self.status == HALF_OPEN and bool(self.is_probed))


def of_types(job_types: Collection[str], organizations: Iterable[str] | None = None) -> dict[Pair, Circuit]:
    """The circuits of these Job Types that are not closed, in one statement. Of all organizations or only of some."""
    if not job_types:
        return {}
    probe = JOB.as_("probe")
    running = frappe.qb.from_(probe).select(1).where(probe.name == CIRCUIT.probe_job)
    running = running.where((probe.attempt == CIRCUIT.probe_attempt) & (probe.status == str(JobStatus.RUNNING)))
    columns = (CIRCUIT[name] for name in Circuit.__dataclass_fields__ if name != "is_probed")
    query = frappe.qb.from_(CIRCUIT).select(*columns, Coalesce(running, 0).as_("is_probed"))
    query = query.where(CIRCUIT.status.isin(NOT_CLOSED) & CIRCUIT.job_type.isin(sorted(job_types)))
    if organizations is not None:
        query = query.where(CIRCUIT.organization.isin(sorted(organizations)))
    return {(row["organization"], row["job_type"]): Circuit(**row) for row in query.run(as_dict=True)}


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of a type's and organization's latest attempts, and the circuit's status. None without a row."""

    samples: int
    failures: int
    status: str | None


def tally(job: TypeAndOrganization, job_type: JobType) -> Tally:
    """Count the attempts within the window and since the circuit was last closed. Issues one statement."""
    since = clock.now_epoch() - 60 * (job_type.circuit_breaker_window_minutes or 0)
    limit = max(LATEST, job_type.circuit_breaker_min_samples or 0)
    latest = frappe.qb.from_(RUN).select(RUN.circuit_epoch, RUN.circuit_failure)
    latest = latest.where((RUN.circuit_key == key(job)) & (RUN.circuit_epoch >= since))
    found = latest.orderby(RUN.circuit_epoch, order=Order.desc).limit(limit).as_("latest")
    counts = Case().when(found.circuit_epoch > Coalesce(CIRCUIT.closed_epoch, 0), 1).else_(0)
    query = frappe.qb.from_(found).left_join(CIRCUIT).on(_of(job))
    query = query.select(Sum(counts), Sum(counts * found.circuit_failure), Max(CIRCUIT.status))
    samples, failures, status = query.run()[0]
    return Tally(int(samples or 0), int(failures or 0), status)


# Moves: each a guarded write, of which one of several at once succeeds ---------------------------------------------


def open_anew(job: TypeAndOrganization, seen: Tally, until: float) -> bool:
    """Open the circuit of the job's type and organization. False if another process has."""
    now = clock.site_time()
    values = {"opened_at": now, "failures": seen.failures, "samples": seen.samples, **_opened(until)}
    values |= {"probe_job": None, "probe_attempt": 0, "closed_at": None, "closed_by": None}
    if seen.status is not None:
        return _update(_of(job) & (CIRCUIT.status == CLOSED), values)
    row = standard_columns(ids.new_name("CIRCUIT"), config.ENGINE, now) | {"closed_epoch": 0}
    row |= {"job_type": job["job_type"], "organization": job["organization"], **values}
    try:
        insert_rows(config.CIRCUIT, [row])
        return True
    except Exception as error:
        if frappe.db.is_duplicate_entry(error):
            return False
        raise


def claim_probe(circuit: Circuit, job: str, attempt: int) -> bool:
    """Make this attempt the probe, in the transaction that makes it Running. False if another one is the probe."""
    if circuit.status == OPEN:
        is_unchanged = (CIRCUIT.status == OPEN) & (CIRCUIT.open_until_epoch <= clock.now_epoch())
    else:
        is_unchanged = _is_probe(circuit.probe_job, circuit.probe_attempt)
    values: Columns = {"status": HALF_OPEN, "probe_job": job, "probe_attempt": attempt}
    return _update((CIRCUIT.name == circuit.name) & is_unchanged, values)


def reopen(job: MovableJob, until: float) -> bool:
    """Open the circuit again after a failed probe: no job starts until then. False if this attempt is not the probe."""
    return _update(_of(job) & _is_probe(job["name"], job["attempt"]), _opened(until))


def close(job: MovableJob) -> bool:
    """Close the circuit after a successful probe. Earlier attempts do not count any more."""
    return _update(_of(job) & _is_probe(job["name"], job["attempt"]), _closed(None))


def close_by_hand(name: str, user: str) -> bool:
    """Close an open circuit. False if it is closed. Earlier attempts do not count any more."""
    return _update((CIRCUIT.name == name) & CIRCUIT.status.isin(NOT_CLOSED), _closed(user))


def _closed(user: str | None) -> Columns:
    now = clock.now_epoch()
    closed = {"status": CLOSED, "closed_at": clock.site_time(now), "closed_epoch": now, "closed_by": user}
    return closed | {"probe_job": None, "probe_attempt": 0}


def _opened(until: float) -> Columns:
    return {"status": OPEN, "open_until": clock.site_time(until), "open_until_epoch": until}


def _of(job: TypeAndOrganization) -> Criterion:
    return (CIRCUIT.job_type == job["job_type"]) & (CIRCUIT.organization == job["organization"])


def _is_probe(job: str | None, attempt: int) -> Criterion:
    return (CIRCUIT.status == HALF_OPEN) & (CIRCUIT.probe_job == job) & (CIRCUIT.probe_attempt == attempt)


def _update(condition: Criterion, values: Columns) -> bool:
    query = update_query(config.CIRCUIT, {"modified": clock.site_time(), **values})
    return bool(sql.run_update(query.where(condition), find.LOCK_WAIT))
