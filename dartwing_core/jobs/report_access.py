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
    if not is_own and frappe.db.get_value("Report", doc.report_name, "ref_doctype") in TENANT_DOCTYPES:
        return False
    return ask_others(doc, ptype, user, debug)
