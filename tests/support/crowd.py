"""Many jobs of fifty organizations, put into the table by SQL."""

from __future__ import annotations

import frappe

from dartwing_core.jobs.lib import sealing

from . import factory

ORGANIZATIONS = 50
USERS = 20  # of each organization, who own its jobs in turn
STATES = "ELT(1 + number DIV 50 % 20, 'Failed', 'Dead Letter', 'Pending', 'Queued', 'Running', 'Canceled')"


def organization(number: int) -> str:
    """The id of one of the organizations, from 0."""
    return f"Test Crowd {number:02}"


def insert(rows: int) -> None:
    """Organizations, and jobs of theirs, one a minute up to now; most are Completed. Commits."""
    for number in range(ORGANIZATIONS):
        factory.organization(organization(number))
    names = ", ".join(f"'{organization(number)}'" for number in range(ORGANIZATIONS))
    step, token = 50_000, sealing.seal('{"n": 1}')
    for start in range(1, rows + 1, step):
        end = min(start + step - 1, rows)
        frappe.db.sql(
            f"""
            INSERT INTO `tabBackground Job` (name, creation, modified, owner, modified_by, docstatus, idx, job_type,
                organization, owner_user, status, priority, queue, sealed_input_parameters, job_hash, created_at,
                available_at, due_epoch, started_at, completed_at, timeout_seconds, max_retries, attempt,
                retry_count, progress)
            SELECT CONCAT('JOB-0', LPAD(number, 18, '0')), moment, moment, user, user, 0, 0,
                ELT(1 + number % 3, 'echo_job', 'sample_job', 'long_running_job'), organization, user,
                COALESCE({STATES}, 'Completed'), ELT(1 + number % 4, 'Low', 'Normal', 'High', 'Critical'), 'default',
                '{token}', MD5(number), moment, moment, UNIX_TIMESTAMP(moment), moment, moment,
                300, 5, 1, 0, 100
            FROM (
                SELECT seq AS number, NOW(6) - INTERVAL ({rows + 1} - seq) MINUTE AS moment,
                    ELT(1 + seq % {ORGANIZATIONS}, {names}) AS organization,
                    CONCAT('test_crowd_', seq % {ORGANIZATIONS}, '_', seq DIV {ORGANIZATIONS} % {USERS}, '@example.com')
                        AS user
                FROM seq_{start}_to_{end}
            ) AS numbers
            """
        )
        frappe.db.commit()
    frappe.db.sql("ANALYZE TABLE `tabBackground Job`")
