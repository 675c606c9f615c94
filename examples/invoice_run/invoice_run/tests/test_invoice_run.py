"""`./dev test --app examples/invoice_run`, or on a bench: `bench --site NAME run-tests --app invoice_run`."""

from __future__ import annotations

import unittest
from typing import Any

import frappe

from dartwing_core.jobs import retry_batch
from dartwing_core.jobs.testing import JobTests, context_for, fail_next, run_jobs, time_passed
from invoice_run.jobs import begin_run

ORGANIZATION = "Test Invoices"


class TestInvoiceRun(JobTests, unittest.TestCase):
    def setUp(self) -> None:
        super().setUp()
        if not frappe.db.exists("Organization", {"org_name": ORGANIZATION}):
            frappe.get_doc({"doctype": "Organization", "org_name": ORGANIZATION}).insert()
        self.addCleanup(frappe.db.rollback)

    def test_each_invoice_is_a_job(self) -> None:
        run = submitted("Ann", "Bob")
        self.jobs.assert_submitted("print_invoice", run=run.name, customer="Ann")
        job = self.jobs.assert_submitted("print_invoice", customer="Bob")
        self.assertEqual(job.title, "Invoice for Bob")
        self.jobs.assert_submitted("close_run")

    def test_a_run_that_is_not_submitted_has_no_jobs(self) -> None:
        draft("Ann").insert()
        self.jobs.assert_nothing_submitted()

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

    def test_an_address_is_added_and_the_run_goes_on(self) -> None:
        run = submitted("Ann", "Bob", address="")
        frappe.db.commit()
        self.assertEqual(set(run_jobs().values()), {"Dead Letter", "Completed"})
        told = frappe.get_all("Comment", {"reference_name": run.name, "comment_type": "Info"}, pluck="content")
        self.assertEqual(sorted(told), [f"The invoice for {name} was not printed." for name in ("Ann", "Bob")])
        for line in run.lines:
            line.address = "1 Main Street"
        run.save()
        retry_batch(run.batch)
        frappe.db.commit()
        run_jobs(raising=True)
        run.reload()
        self.assertEqual(run.status, "Closed")

    def test_a_lost_connection_is_tried_again(self) -> None:
        run = submitted("Ann")
        frappe.db.commit()
        with fail_next(ConnectionError("the printer is away")):
            self.assertEqual(set(run_jobs().values()), {"Failed"})
        with time_passed(3600):
            run_jobs(raising=True)
        run.reload()
        self.assertEqual(run.status, "Closed")

    def test_a_schedule_makes_the_next_run(self) -> None:
        run = submitted("Ann")
        made = begin_run(context_for(begin_run, organization=run.organization))
        following = frappe.get_doc("Invoice Run", made["output_reference"])
        self.assertEqual(following.title, "February 2026")
        self.assertEqual([line.customer for line in following.lines], ["Ann"])
        self.assertEqual(following.docstatus, 0)


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
