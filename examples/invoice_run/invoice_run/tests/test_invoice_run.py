"""`./dev test --app examples/invoice_run`, or on a bench: `bench --site NAME run-tests --app invoice_run`."""

from __future__ import annotations

import unittest
from typing import Any

import frappe

from dartwing_core.jobs import get_job_status, list_jobs
from dartwing_core.jobs.testing import JobTests, context_for, fail_next, run_jobs, time_passed
from invoice_run.jobs import begin_run

ORGANIZATION = "Test Invoices"
USER = "clerk@test-invoices.example"
DAY = 86_400


class TestInvoiceRun(JobTests, unittest.TestCase):
    def setUp(self) -> None:
        super().setUp()
        if not frappe.db.exists("Organization", {"org_name": ORGANIZATION}):
            frappe.get_doc({"doctype": "Organization", "org_name": ORGANIZATION}).insert()
        self.addCleanup(frappe.db.rollback)
        self.addCleanup(frappe.set_user, frappe.session.user)

    def test_each_invoice_is_a_job(self) -> None:
        run = submitted("Ann", "Bob")
        self.jobs.assert_submitted("print_invoice", run=run.name, customer="Ann")
        job = self.jobs.assert_submitted("print_invoice", customer="Bob")
        self.assertEqual(job.title, "Invoice for Bob")
        self.jobs.assert_submitted("close_run")

    def test_a_run_that_is_not_submitted_has_no_jobs(self) -> None:
        draft("Ann").insert()
        self.jobs.assert_nothing_submitted()

    def test_the_form_of_a_run_lists_its_jobs(self) -> None:
        run = submitted("Ann", "Bob")
        titles = [job["title"] for job in list_jobs(reference=run)["jobs"]]
        self.assertEqual(sorted(titles), ["Close January 2026", "Invoice for Ann", "Invoice for Bob"])
        self.assertEqual(list_jobs(reference=submitted("Cid"))["total"], 2)

    def test_a_run_is_closed_when_its_invoices_are_printed(self) -> None:
        run = submitted("Ann", "Bob")
        frappe.db.commit()
        statuses = run_jobs(raising=True)
        self.assertEqual(set(statuses.values()), {"Completed"})
        run.reload()
        self.assertEqual(run.status, "Closed")
        self.assertTrue(all(line.invoice for line in run.lines))
        closing = frappe.get_last_doc("Background Job", {"job_type": "close_run"})
        self.assertEqual(frappe.parse_json(closing.result), {"invoices": 2, "total": 20})

    def test_the_form_shows_how_far_the_jobs_are(self) -> None:
        run = submitted("Ann", "Bob", "Cid")
        frappe.db.commit()
        self.assertEqual(shown(run), (0, "Running"))
        with fail_next(ConnectionError("the printer is away")):
            run_jobs()
        self.assertEqual(shown(run), (50, "Running"))
        with time_passed(3600):
            run_jobs(raising=True)
        self.assertEqual(shown(run), (100, "Completed"))

    def test_a_user_adds_an_address_and_the_run_goes_on(self) -> None:
        frappe.set_user(clerk())
        run = submitted("Ann", "Bob", address="")
        frappe.db.commit()
        self.assertEqual(set(run_jobs().values()), {"Dead Letter", "Completed"})
        self.assertEqual(shown(run)[1], "Failed")
        said = next(job["error_message"] for job in list_jobs(reference=run)["jobs"] if "Ann" in job["title"])
        self.assertEqual(said, f"Ann has no address. Add it to {run.name}, then retry.")
        told = frappe.get_all("Comment", {"reference_name": run.name, "comment_type": "Info"}, pluck="content")
        self.assertEqual(sorted(told), [f"The invoice for {name} was not printed." for name in ("Ann", "Bob")])
        run.reload()
        for line in run.lines:
            line.address = "1 Main Street"
        run.save()
        of_the_form("retry_batch", run)
        frappe.db.commit()
        run_jobs(raising=True)
        run.reload()
        self.assertEqual((run.status, *shown(run)), ("Closed", 100, "Completed"))

    def test_a_lost_connection_is_tried_again(self) -> None:
        run = submitted("Ann")
        frappe.db.commit()
        with fail_next(ConnectionError("the printer is away")):
            self.assertEqual(set(run_jobs().values()), {"Failed"})
        with time_passed(3600):
            run_jobs(raising=True)
        run.reload()
        self.assertEqual(run.status, "Closed")

    def test_the_next_run_has_the_customers_of_the_last_one(self) -> None:
        run = submitted("Ann")
        made = begin_run(context_for(begin_run, organization=run.organization))
        following = frappe.get_doc("Invoice Run", made["output_reference"])
        self.assertEqual(following.title, "February 2026")
        self.assertEqual([line.customer for line in following.lines], ["Ann"])
        self.assertEqual(following.docstatus, 0)

    def test_a_schedule_makes_the_next_run_each_month(self) -> None:
        schedule = frappe.get_doc(
            {
                "doctype": "Job Schedule",
                "title": "Next run",
                "job_type": "begin_run",
                "organization": organization(),
                "frequency": "Cron",
                "cron": "0 6 1 * *",
            }
        ).insert()
        self.addCleanup(forget, schedule)
        submitted("Ann")
        frappe.db.commit()
        run_jobs(raising=True)
        schedule.reload()
        self.assertFalse(schedule.last_job)
        with time_passed(31 * DAY):
            run_jobs(raising=True)
        schedule.reload()
        made = get_job_status(schedule.last_job)["output_reference"]
        self.assertEqual(frappe.db.get_value("Invoice Run", made, ["title", "docstatus"]), ("February 2026", 0))


def draft(*customers: str, address: str = "1 Main Street") -> Any:
    values = {"title": "January 2026", "organization": organization(), "invoice_date": "2026-01-31"}
    lines = [{"customer": customer, "address": address, "amount": 10} for customer in customers]
    return frappe.get_doc({"doctype": "Invoice Run", **values, "lines": lines})


def submitted(*customers: str, address: str = "1 Main Street") -> Any:
    run = draft(*customers, address=address).insert()
    run.submit()
    return run


def organization() -> str:
    return frappe.db.get_value("Organization", {"org_name": ORGANIZATION})


def clerk() -> str:
    """A user of the organization without further rights."""
    if not frappe.db.exists("User", USER):
        user = frappe.get_doc({"doctype": "User", "email": USER, "first_name": "Clerk", "send_welcome_email": 0})
        user.append("roles", {"role": "Dartwing User"})
        user.insert()
        member = {"doctype": "Org Member", "organization": organization(), "user": USER, "role": "Member"}
        frappe.get_doc(member).insert()
    return USER


def of_the_form(call: str, run: Any) -> Any:
    """What this call of the form's script answers."""
    frappe.db.commit()  # as between two requests
    return frappe.get_attr(f"dartwing_core.api.jobs.{call}")(batch_id=run.batch)


def shown(run: Any) -> tuple[int, str]:
    """Progress and state of the jobs in the form of the run."""
    answer = of_the_form("get_batch_status", run)
    return answer["progress"], answer["status"]


def forget(schedule: Any) -> None:
    frappe.delete_doc("Job Schedule", schedule.name)
    frappe.db.commit()
