"""Frappe's ways to keep and to send reports, which do not ask whether who gets one may see what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import frappe
from frappe import _

from . import visibility
from .desk_access import TENANT_DOCTYPES
from .references import REFERENCES

if TYPE_CHECKING:
    from frappe.model.document import Document

CUSTOM, BY_QUERY = "Custom Report", "Report Builder"
"""The latter is the type of reports that Frappe makes for the user that it is told."""
MAY_HOLD_OURS = frozenset(
    (*TENANT_DOCTYPES, *REFERENCES, "Discussion Topic", "Discussion Reply", "Reminder", "Deleted Document", "Error Log")
)
"""DocTypes whose rows are ours, or may be about ours."""


def check_sending(doc: Document, method: str | None = None) -> None:
    """`validate` of Auto Email Report: Frappe runs the scripts of reports as the scheduler, who sees everything, and
    others as whoever is named."""
    if report := _report(doc.report):
        _check_sent(report, doc.user)


def _report(name: str) -> Document:
    """What a report runs: of a Custom Report the one that it refers to."""
    fields = ["name", "ref_doctype", "report_type", "reference_report"]
    found = frappe.db.get_value("Report", name, fields, as_dict=True)
    if found and found.report_type == CUSTOM and found.reference_report:
        return frappe.db.get_value("Report", found.reference_report, fields, as_dict=True) or found
    return found


def check_report(doc: Document, method: str | None = None) -> None:
    """`validate` of Report: one that is sent does not come to hold what its recipients may not see."""
    if doc.is_new():
        return
    is_custom = doc.report_type == CUSTOM and doc.reference_report
    runs = (_report(doc.reference_report) if is_custom else None) or doc
    if runs.ref_doctype in MAY_HOLD_OURS:
        for user in frappe.get_all("Auto Email Report", filters={"report": doc.name}, pluck="user"):
            _check_sent(runs, user)


def _check_sent(report: Document, user: str) -> None:
    if report.ref_doctype in TENANT_DOCTYPES and report.report_type != BY_QUERY:
        text = _("The report {0} can't be sent: it would hold the jobs of all organizations.")
        frappe.throw(text.format(_(report.name)), frappe.PermissionError)
    is_for_others = user != frappe.session.user and not visibility.viewer().sees_everything
    if report.ref_doctype in MAY_HOLD_OURS and is_for_others:
        text = _("The report {0} can be sent only with what you may see yourself: enter yourself as its user.")
        frappe.throw(text.format(_(report.name)), frappe.PermissionError)


def is_on_jobs(report: str) -> bool:
    """Whether a report is on one of our DocTypes, and so holds what its maker may see."""
    found = _report(report)
    return bool(found) and found.ref_doctype in TENANT_DOCTYPES


def check_preparing(doc: Document, method: str | None = None) -> None:
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
