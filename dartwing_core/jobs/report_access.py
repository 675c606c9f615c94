"""Frappe's ways to keep and to send reports, which do not ask whether who gets one may see what is in it."""

from __future__ import annotations

import frappe
from frappe import _
from frappe.query_builder import DocType

from . import access
from .desk_access import TENANT_DOCTYPES, as_sql
from .references import ask_others

PREPARED = "Prepared Report"
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


def is_of_another(prepared: str) -> bool:
    """Whether a Prepared Report was made by somebody else."""
    viewer = access.viewer()
    return not viewer.sees_everything and frappe.db.get_value(PREPARED, prepared, "owner") != viewer.user


def prepared_conditions(user: str | None = None) -> str:
    """`permission_query_conditions` of Prepared Report: of ours, those that one has made."""
    viewer = access.viewer(user)
    if viewer.sees_everything:
        return ""
    prepared, report = DocType(PREPARED), DocType("Report")
    ours = frappe.qb.from_(report).select(report.name).where(report.ref_doctype.isin(TENANT_DOCTYPES))
    return as_sql((prepared.owner == viewer.user) | prepared.report_name.notin(ours))


def has_prepared_permission(doc, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of Prepared Report. Frappe gives each to all who may make the report, whatever it holds."""
    viewer = access.viewer(user)
    is_own = viewer.sees_everything or doc.owner == viewer.user
    if not is_own and is_on_jobs(doc.report_name):
        return False
    return ask_others(doc, ptype, user, debug)
