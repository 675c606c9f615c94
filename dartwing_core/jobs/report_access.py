"""Frappe's ways to keep and to send reports, which do not ask whether who gets one may see what is in it."""

from __future__ import annotations

import frappe
from frappe import _

from .desk_access import TENANT_DOCTYPES

BY_QUERY = "Report Builder"
"""The type of reports that Frappe makes for the user that it is told."""


def check_sending(doc, method: str | None = None) -> None:
    """`validate` of Auto Email Report: Frappe runs the scripts of reports as the scheduler, who sees everything."""
    report = frappe.db.get_value("Report", doc.report, ["ref_doctype", "report_type"], as_dict=True)
    if report and report.ref_doctype in TENANT_DOCTYPES and report.report_type != BY_QUERY:
        text = _("The report {0} can't be sent: it would hold the jobs of all organizations.")
        frappe.throw(text.format(_(doc.report)), frappe.PermissionError)


def is_on_jobs(report: str) -> bool:
    """Whether a report is on one of our DocTypes, and so holds what its maker may see."""
    return frappe.db.get_value("Report", report, "ref_doctype") in TENANT_DOCTYPES


def check_preparing(doc, method: str | None = None) -> None:
    """`before_insert` of Prepared Report: none of ours. Frappe keeps it for all who may make the report, in a file of
    which everybody guesses the name.
    """
    if is_on_jobs(doc.report_name):
        text = _("The report {0} is not prepared in the background: what it holds would be kept for others.")
        frappe.throw(text.format(_(doc.report_name)), frappe.PermissionError)


def prepare_no_more(report: str) -> None:
    """Frappe prepares a report by itself once it has taken 15 seconds."""
    if frappe.db.get_value("Report", report, "prepared_report"):
        frappe.db.set_value("Report", report, "prepared_report", 0)
