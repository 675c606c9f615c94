"""Guards Frappe's functions that store and mail reports without checking that the recipient may see them. (15, 16)"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.desk import query_report
from frappe.utils import get_datetime

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES

from . import by_request, request_texts
from .doctypes import names_guarded

if TYPE_CHECKING:
    from frappe.model.document import Document

CUSTOM, BY_QUERY = "Custom Report", "Report Builder"
"""Types of reports. Frappe makes a Report Builder report with the permissions of a named user."""
MAY_HOLD_OURS = frozenset(
    (
        *(*TENANT_DOCTYPES, *REFERENCES, "Discussion Reply", "Deleted Document", "Error Log", "Access Log"),
        *("Route History", "API Request Log", "Prepared Report", "Notification Log", "List Filter", "Number Card"),
        *("Dashboard Chart", "Auto Email Report", "Kanban Board", "User Permission", "Document Share Key"),
        *("Reminder", "Workflow Action", "Data Import", "Data Import Log", "Webhook Request Log"),
        *("Integration Request", "Transaction Log", "Unhandled Email", "Bulk Update", "Dashboard Settings"),
    )
)
"""DocTypes whose rows are ours, or are made about ours. DocTypes that link to ours are found by their fields.

Addresses, contacts and the like have a dynamic link too, but it leads to ours only if a user enters that.
"""


def check_sending(doc: Document, method: str | None = None) -> None:
    """`validate` of Auto Email Report: check what the recipients may see.

    Frappe runs scripts of reports as the scheduler, which sees everything, and other reports as the named user.
    """
    _check_sent(_chain(doc.report), doc, frappe.session.user)


def check_making(doc: Document) -> None:
    """Check again when the report is made: its mailing may lead to another report than when it was saved."""
    _check_sent(_chain(doc.report), doc, doc.modified_by)


def runs_as_its_user(mailing: Document) -> bool:
    """Whether a mailed report is to run as the user of its mailing: it has a script, and its rows may be about ours."""
    chain = _chain(mailing.report)
    return bool(chain) and chain[-1].report_type != BY_QUERY and _shows_ours(chain, mailing.filters)


def report_may_hold_ours(report: str, sent_columns: Any = None, filters: Any = None) -> bool:
    """Whether the rows of a report may be ours, or about ours. `sent_columns`: those that a request adds."""
    return _shows_ours(_chain(report), filters, sent_columns)


def _shows_ours(chain: Sequence[Document], filters: Any = None, sent_columns: Any = None) -> bool:
    """The same for a chain of reports. Some of Frappe's list the DocType that a filter names."""
    read = _doctypes_of(chain) | _doctypes_in(request_texts.parsed(sent_columns))
    return any(map(may_hold_ours, read)) or names_guarded(filters)


def _doctypes_of(chain: Sequence[Document]) -> set[str]:
    """The DocTypes that a report reads: that of the last report, and those of the columns that users have added."""
    found = {one.ref_doctype for one in chain[-1:]}
    for one in chain:
        stored = request_texts.parsed(one.json) if one.report_type == CUSTOM else None
        found |= _doctypes_in(stored.get("columns")) if isinstance(stored, dict) else set()
    return found


def _doctypes_in(columns: Any) -> set[str]:
    """The DocTypes of columns that users have added to a report."""
    rows = columns if isinstance(columns, list) else []
    return {row["doctype"] for row in rows if isinstance(row, dict) and isinstance(row.get("doctype"), str)}


def _chain(name: str) -> list[Document]:
    """A report, and the reports to which it leads as a Custom Report. The last one runs."""
    fields = ["name", "ref_doctype", "report_type", "reference_report", "json"]
    found: dict[str, Document] = {}
    while name and name not in found:
        report = frappe.db.get_value("Report", name, fields, as_dict=True)
        if not report:
            break
        found[name] = report
        name = report.reference_report if report.report_type == CUSTOM else ""
    return [*found.values()]


def _report(name: str) -> Document | None:
    """The report that runs for this one. None if there is no report of this name."""
    chain = _chain(name)
    return chain[-1] if chain else None


def check_report(doc: Document, method: str | None = None) -> None:
    """`validate` of Report: a mailed report must not get content that its recipients may not see.

    Also a new one, to whose name a mailed Custom Report may lead.
    """
    is_custom = doc.report_type == CUSTOM and doc.reference_report
    chain = [doc, *(_chain(doc.reference_report) if is_custom else ())]
    if _shows_ours(chain):
        # The database compares: a new report may be named "lost" where a mailed one leads to "Lost".
        leading = {doc.name, *frappe.get_all("Report", {"reference_report": doc.name}, pluck="name")}
        for mailing in frappe.get_all("Auto Email Report", fields=["report", "user", "filters"]):
            if any(one.name in leading for one in _chain(mailing.report)):
                _check_sent(chain, mailing, frappe.session.user)


def _check_sent(chain: Sequence[Document], mailing: Any, maker: str) -> None:
    """Raises frappe.PermissionError for a mailing that shows more than `maker` sees.

    `chain`: as of `_chain`. `mailing`: with its user and filters. `maker`: the user who changes the report or its
    mailing, or changed it last.
    """
    if not chain:
        return
    report = chain[-1]
    if report.ref_doctype in TENANT_DOCTYPES and report.report_type != BY_QUERY:
        text = _("The report {0} can't be sent: it would hold the jobs of all organizations.")
        frappe.throw(text.format(_(report.name)), frappe.PermissionError)
    is_for_others = mailing.user != maker and not visibility.sees_everything(maker)
    if is_for_others and _shows_ours(chain, mailing.filters):
        text = _("The report {0} can be sent only with your own permissions. Enter yourself as its user.")
        frappe.throw(text.format(_(report.name)), frappe.PermissionError)


def may_hold_ours(doctype: str) -> bool:
    """Whether rows of a DocType are ours, are made about ours, or link to ours."""
    if doctype in MAY_HOLD_OURS:
        return True
    try:
        meta = frappe.get_meta(doctype)
        children = [frappe.get_meta(field.options) for field in meta.get_table_fields()]
    except frappe.DoesNotExistError:
        frappe.clear_last_message()
        return False
    return any(field.options in TENANT_DOCTYPES for one in (meta, *children) for field in one.get_link_fields())


def is_on_jobs(report: str) -> bool:
    """Whether a report is on one of our DocTypes."""
    found = _report(report)
    return found is not None and found.ref_doctype in TENANT_DOCTYPES


def is_on(report: str, doctypes: Collection[str]) -> bool:
    """Whether a report reads one of these DocTypes, if only by an added column. Its content depends on its maker."""
    return not _doctypes_of(_chain(report)).isdisjoint(doctypes)


def is_same_since(report: str | None, moment: Any) -> bool:
    """Whether a report is as it was at this moment, and holds nothing of ours. No for Custom Reports."""
    fields = ["ref_doctype", "report_type", "modified"]
    found = frappe.db.get_value("Report", report, fields, as_dict=True) if report else None
    if not found or found.report_type == CUSTOM or may_hold_ours(found.ref_doctype):
        return False
    return bool(moment) and get_datetime(found.modified) <= get_datetime(moment)


def check_preparing(doc: Document, method: str | None = None) -> None:
    """`before_insert` of Prepared Report: refuse reports on the engine's DocTypes, and those that the user may not run.

    Frappe stores a prepared report for all users who may make it, in a file whose name is easy to guess. It runs any
    report for everybody in the background.
    """
    if is_on_jobs(doc.report_name):
        text = _("The report {0} can't be prepared in the background: its content would be kept for other users.")
        frappe.throw(text.format(_(doc.report_name)), frappe.PermissionError)
    if by_request.is_by_request() and not visibility.sees_everything(frappe.session.user):
        query_report.get_report_doc(doc.report_name)  # raises


def prepare_no_more(report: str) -> None:
    """Stop the preparation of a report. Frappe begins it by itself once the report has taken 15 seconds."""
    if frappe.db.get_value("Report", report, "prepared_report"):
        frappe.db.set_value("Report", report, "prepared_report", 0)


def _not_for_others(export: Callable[..., Any]) -> Callable[..., Any]:
    """The background job of an export (16). The report may have been changed since the request for it."""

    @functools.wraps(export)
    def checked(user_email: str, form_params: Any, csv_params: Any) -> Any:
        more = form_params.get("custom_columns"), form_params.get("filters")
        if report_may_hold_ours(form_params.get("report_name"), *more):
            text = _("The report {0} can't be exported in the background: its content would be kept for other users.")
            frappe.throw(text.format(_(form_params.get("report_name"))), frappe.PermissionError)
        return export(user_email, form_params, csv_params)

    return checked


if hasattr(query_report, "run_export_query_job"):
    query_report.run_export_query_job = _not_for_others(query_report.run_export_query_job)
