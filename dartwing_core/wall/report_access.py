"""Guards what Frappe stores of reports for others, and tells what a report reads. (15, 16)

Prepared reports are for all who may run them. Files of exports in the background are for all who may read the report.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.desk import query_report
from frappe.desk import utils as desk_utils
from frappe.model import table_fields
from frappe.utils import get_datetime, now_datetime

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES

from . import by_request, request_texts
from .doctypes import guarded_doctype
from .request_texts import values_in

if TYPE_CHECKING:
    from frappe.model.document import Document

LONGEST_NAME = 140
CUSTOM, BY_QUERY = "Custom Report", "Report Builder"
"""Types of reports. Frappe makes a Report Builder report with the permissions of a named user."""
MAY_HOLD_OURS = frozenset(
    (
        *(*TENANT_DOCTYPES, *REFERENCES, "Discussion Reply", "Deleted Document", "Error Log", "Access Log"),
        *("Route History", "API Request Log", "Prepared Report", "Notification Log", "List Filter", "Number Card"),
        *("Dashboard Chart", "Auto Email Report", "Kanban Board", "Kanban Board Column", "User Permission"),
        *("Document Share Key", "Dynamic Link", "Communication Link", "Event Participants"),
        *("Reminder", "Event", "Workflow Action", "Data Import", "Data Import Log", "Webhook Request Log"),
        *("Integration Request", "Transaction Log", "Unhandled Email", "Bulk Update", "Dashboard Settings"),
    )
)
"""DocTypes whose rows are ours, or are made about ours. DocTypes that link to ours are found by their fields.

Addresses, contacts and the like have a dynamic link too, but it leads to ours only if a user enters that.
"""


def _doctypes_of(chain: Sequence[Document]) -> set[str]:
    """The DocTypes that a report reads: that of the last report, and those of the columns that users have added."""
    found = {one.ref_doctype for one in chain[-1:]}
    for one in chain:
        stored = request_texts.parsed(one.json) if one.report_type == CUSTOM else None
        columns = stored.get("columns") if isinstance(stored, dict) else None
        rows = columns if isinstance(columns, list) else []
        found |= {row["doctype"] for row in rows if isinstance(row, dict) and isinstance(row.get("doctype"), str)}
    return found


def chain_of(name: str) -> list[Document]:
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
    chain = chain_of(name)
    return chain[-1] if chain else None


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


def doctypes_with_ours() -> frozenset[str]:
    """All DocTypes for which `may_hold_ours` is true. Four statements."""
    links = {"fieldtype": "Link", "options": ["in", TENANT_DOCTYPES]}
    linking = {*frappe.get_all("DocField", links, pluck="parent"), *frappe.get_all("Custom Field", links, pluck="dt")}
    of_tables = {"fieldtype": ["in", table_fields], "options": ["in", sorted(linking)]}
    parents = frappe.get_all("DocField", of_tables, pluck="parent") if linking else []
    by_site = frappe.get_all("Custom Field", of_tables, pluck="dt") if linking else []
    return MAY_HOLD_OURS.union(linking, parents, by_site)


def names_ours(filters: Any) -> bool:
    """Whether a value in the filters of a report is the name of a DocType with rows of ours, in any spelling.

    Some of Frappe's reports list the DocType that a filter names. The names of filters do not count.
    """
    values = {one for one in values_in(filters) if isinstance(one, str)}
    if any(map(guarded_doctype, values)):
        return True
    names = [one for one in values if len(one) <= LONGEST_NAME]
    found = frappe.get_all("DocType", {"name": ["in", names]}, pluck="name") if names else []
    return any(map(may_hold_ours, found))


def is_on_jobs(report: str) -> bool:
    """Whether a report is on one of our DocTypes."""
    found = _report(report)
    return found is not None and found.ref_doctype in TENANT_DOCTYPES


def is_on(report: str, doctypes: Collection[str]) -> bool:
    """Whether a report reads one of these DocTypes, if only by an added column. Its content depends on its maker."""
    return not _doctypes_of(chain_of(report)).isdisjoint(doctypes)


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


def note_rename(doc: Document, method: str | None = None, *_names: Any) -> None:
    """`after_rename` of Report: what was prepared in its new name before is of another report (`is_same_since`)."""
    doc.db_set("modified", now_datetime(), update_modified=False)


def mask_secrets(doc: Document, method: str | None = None) -> None:
    """`validate` of Prepared Report: an error text holds variables of functions, also the database's password."""
    secret = str(frappe.conf.get("db_password") or "")
    if secret and secret in str(doc.get("error_message") or ""):
        doc.error_message = doc.error_message.replace(secret, "********")


def _of_its_maker(send: Callable[..., Any]) -> Callable[..., Any]:
    """`send_report_email`: the file is for all who may read the report that it is attached to, and its name is guessed.

    Attached to no report, it is its owner's. Frappe deletes it after some time all the same.
    """

    @functools.wraps(send)
    def sent(user_email: str, report_name: str, file_extension: str, content: bytes, **_named: Any) -> Any:
        mark = secrets.token_hex(8)
        try:
            return send(user_email, f"{report_name[:100]}-{mark}", file_extension, content, attached_to_name=mark)
        finally:
            frappe.db.set_value("File", {"attached_to_name": mark}, "attached_to_name", None)

    return sent


if hasattr(desk_utils, "send_report_email"):  # 16
    desk_utils.send_report_email = _of_its_maker(desk_utils.send_report_email)
