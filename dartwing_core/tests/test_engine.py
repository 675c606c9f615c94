"""A first check of an installation: `bench --site SITE run-tests --app dartwing_core`.

The full suite is in the repository's `tests/`, and runs by `./dev test`.
"""

from __future__ import annotations

import threading
import time
import unittest

import frappe

from dartwing_core.jobs import executor, get_job_history, get_job_status, submit_job

ORGANIZATION = "Test Installation"


class TestEngine(unittest.TestCase):
    def setUp(self) -> None:
        frappe.set_user("Administrator")
        if not frappe.db.exists("Organization", {"org_name": ORGANIZATION}):
            frappe.get_doc({"doctype": "Organization", "org_name": ORGANIZATION}).insert()
            frappe.db.commit()

    def test_a_job_is_submitted_run_and_recorded(self) -> None:
        job = submit_job("echo_job", ORGANIZATION, {"text": frappe.generate_hash()})
        self.assertEqual(job.status, "Pending")
        frappe.db.commit()
        executor.execute_job(job.name, 1)
        self.assertEqual(self._final_status(job.name), "Completed")
        self.assertEqual(len(get_job_history(job.name)["history"]), 4)
        frappe.delete_doc("Background Job", job.name)
        frappe.db.commit()

    def _final_status(self, job_id: str) -> str:
        """The job's status when it has ended: a worker of the bench may have claimed it before us."""
        deadline = time.monotonic() + 10
        while True:
            frappe.db.rollback()
            status = get_job_status(job_id)["status"]
            if status not in ("Queued", "Running") or time.monotonic() > deadline:
                return status
            threading.Event().wait(0.05)
