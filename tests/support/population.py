"""A site with very many jobs, made by a few INSERT … SELECT: what sweeping has to cope with.

Their organizations have names that begin with "Test", so that `factory.wipe` takes them away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import frappe

from dartwing_core.jobs.lib import clock, config, sealing
from dartwing_core.jobs.line import queue_view

ORGANIZATIONS = 50

# As submit_job writes them; each job has 250 bytes of parameters.
_COLUMNS = {
    "creation": "%(now)s - INTERVAL 1 DAY",
    "modified": "%(now)s - INTERVAL 1 DAY",
    "owner": "'Administrator'",
    "modified_by": "'Administrator'",
    "docstatus": "0",
    "idx": "0",
    "job_type": "%(job_type)s",
    "organization": f"CONCAT('Test Organization ', seq %% {ORGANIZATIONS})",
    "owner_user": "'Administrator'",
    "priority": "'Normal'",
    "queue": "'default'",
    "sealed_input_parameters": "%(parameters)s",
    "job_hash": "SHA2(CONCAT(%(letter)s, seq), 256)",
    "active_key": "IF(seq %% 2, NULL, SHA2(CONCAT(%(letter)s, seq), 256))",
    "created_at": "%(now)s - INTERVAL 1 DAY",
    "timeout_seconds": "300",
    "max_retries": "3",
    "attempt": "0",
    "retry_count": "0",
    "crash_count": "0",
    "progress": "0",
}
_NAME = "CONCAT('JOB-', %(letter)s, LPAD(seq, 19, '0'))"
_RANKS = ("due_epoch", "admission_rank")
_LATER_EPOCH, _BEFORE_EPOCH = "%(epoch)s + 86400 + seq", "%(epoch)s - (86400 + seq)"
_LATER = {"available_at": "%(now)s + INTERVAL 86400 + seq SECOND"} | dict.fromkeys(_RANKS, _LATER_EPOCH)
_BEFORE = {"available_at": "%(now)s - INTERVAL 86400 + seq SECOND"} | dict.fromkeys(_RANKS, _BEFORE_EPOCH)
_TRIED = {"attempt": "1", "started_at": "%(now)s - INTERVAL 30 SECOND", "started_epoch": "UNIX_TIMESTAMP() - 30"}
_PARENT = "CONCAT('JOB-L', LPAD(1 + seq %% %(parents)s, 19, '0'))"


@dataclass(frozen=True)
class Group:
    """So many jobs of one status."""

    letter: str
    text: str
    status: str
    number: int
    columns: Mapping[str, str] = field(default_factory=dict)


_WAITS = _BEFORE | {"depends_on": _PARENT, "waits_for": _PARENT}
_QUEUED = _BEFORE | {
    "queued_at": "%(now)s - INTERVAL 3600000000 + seq * 1000 MICROSECOND",
    "queue": "ELT(1 + GREATEST(0, CAST(seq %% 6 AS SIGNED) - 3), 'default', 'short', 'long')",
    "in_line": "1",
}

GROUPS = (
    Group("L", "due later", "Pending", 57_000, _LATER),
    Group("W", "due, but waiting for one of 10,000 unfinished jobs", "Pending", 20_000, _WAITS),
    Group("Q", "in line for an hour", "Queued", 12_000, _QUEUED),
    Group("F", "retried later", "Failed", 10_000, _LATER | _TRIED),
    Group("T", "retried later", "Timed Out", 700, _LATER | _TRIED),
    Group("R", "with a lease", "Running", 300, _BEFORE | _TRIED),
    Group("C", "", "Completed", 180_000, _BEFORE | _TRIED),
    Group("X", "", "Canceled", 10_000, _BEFORE),
    Group("D", "", "Dead Letter", 10_000, _BEFORE | _TRIED),
)


def fill(job_type: str, divisor: int = 1) -> None:
    """Insert all groups, each `divisor` times smaller, with run rows, and ring for those in line; commits."""
    for group in GROUPS:
        _insert(group, job_type, divisor)
    _insert_runs()
    frappe.db.commit()
    _analyze()
    queue_view.ring_for_line()


def _analyze() -> None:
    frappe.db.sql(f"ANALYZE TABLE `tab{config.JOB}`, `tab{config.RUN}`")
    frappe.db.commit()


def name(letter: str, number: int) -> str:
    """The name of a group's job; they begin with number 1."""
    return f"JOB-{letter}{number:019}"


def _insert(group: Group, job_type: str, divisor: int = 1) -> None:
    columns = {"name": _NAME, "status": "%(status)s", **_COLUMNS, **group.columns}
    now = clock.now_epoch()
    values: dict[str, Any] = {"letter": group.letter, "status": group.status, "job_type": job_type}
    values |= {"now": clock.site_time(now), "epoch": now, "parents": 10_000 // divisor, "parameters": _parameters()}
    frappe.db.sql(
        f"INSERT INTO `tab{config.JOB}` ({', '.join(columns)})"
        f" SELECT {', '.join(columns.values())} FROM seq_1_to_{group.number // divisor}",
        values,
    )


def _parameters() -> str:
    return sealing.seal(json.dumps({"n": 1, "text": "x" * 230}))


def _insert_runs() -> None:
    """A run row for each that has been started; the lease of those that run is long."""
    frappe.db.sql(
        f"INSERT INTO `tab{config.RUN}` (name, creation, modified, owner, modified_by, background_job, attempt,"
        " started_at, lease_expires_epoch, cancel_requested)"
        " SELECT CONCAT(name, '-', attempt), creation, modified, owner, owner, name, attempt, started_at,"
        f" IF(status = 'Running', %s, 0), 0 FROM `tab{config.JOB}` WHERE attempt > 0 AND organization LIKE 'Test %%'",
        (clock.now_epoch() + 86_400,),
    )


def line_up(job_type: str, number: int, organizations: int, types: int = 1) -> None:
    """Insert so many jobs that are in line, of so many organizations; commits.

    Organizations without a row of their own will do: limits are looked up, and are none.
    """
    columns = {"name": _NAME, "status": "'Queued'", **_COLUMNS, **_BEFORE, "in_line": "1"}
    columns["organization"] = f"CONCAT('Test Line ', seq %% {organizations})"
    columns["job_type"] = f"CONCAT(%(job_type)s, IF(seq DIV {organizations} %% {types}, '_other', ''))"
    now = clock.now_epoch()
    frappe.db.sql(
        f"INSERT INTO `tab{config.JOB}` ({', '.join(columns)})"
        f" SELECT {', '.join(columns.values())} FROM seq_1_to_{number}",
        {"letter": "N", "job_type": job_type, "now": clock.site_time(now), "epoch": now, "parameters": _parameters()},
    )
    frappe.db.commit()
    frappe.db.sql(f"ANALYZE TABLE `tab{config.JOB}`")
    frappe.db.commit()
