"""Checks content that Frappe collects for a user, and sends or stores later, against what the user may see.

- Followers of a document get mails about its changes and comments, even after they have left its organization. (15, 16)
- A mailed report is made long after its mailing was saved. Scripts of reports run as the scheduler. (15, 16)
- "Download your data" collects the rows of any named user, for any user who names them. The rows include versions of
  schedules, and comments on jobs. (15, 16)
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import frappe
from frappe.desk.form import document_follow
from frappe.email.doctype.auto_email_report.auto_email_report import AutoEmailReport
from frappe.website.doctype.personal_data_download_request import personal_data_download_request

from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES

from . import report_access
from .mentions import kind_fields, names_ours
from .references import CHILDREN, REFERENCES, is_visible


def _only_visible_follows(list_followed: Callable[[str], list[Any]]) -> Callable[[str], list[Any]]:
    @functools.wraps(list_followed)
    def visible_follows(user: str) -> list[Any]:
        return [row for row in list_followed(user) if _may_follow(row.ref_doctype, row.ref_docname, user)]

    return visible_follows


def _may_follow(doctype: str, name: str, user: str) -> bool:
    return doctype not in TENANT_DOCTYPES or is_visible(doctype, name, user)


def _only_visible_data(collect: Callable[[str], str]) -> Callable[[str], str]:
    @functools.wraps(collect)
    def visible_data(user: str) -> str:
        text = collect(user)
        found: dict[str, list[dict[str, Any]]] = json.loads(text)
        kept = {doctype: [row for row in rows if _may_have(doctype, row)] for doctype, rows in found.items()}
        return text if kept == found else json.dumps({kind: rows for kind, rows in kept.items() if rows}, indent=2)

    return visible_data


def _may_have(doctype: str, row: Mapping[str, Any]) -> bool:
    """Whether the user may have a row: it names none of our documents, or only one that the user sees."""
    if doctype in TENANT_DOCTYPES:
        return is_visible(doctype, row["name"])
    if not names_ours(doctype, row):
        return True
    kind, name = (REFERENCES | CHILDREN).get(doctype, ("", ""))
    only_kind = all(field == kind or row.get(field) not in TENANT_DOCTYPES for field in kind_fields(doctype))
    return only_kind and row.get(kind) in TENANT_DOCTYPES and is_visible(row[kind], row.get(name) or "")


def _only_of_its_user(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(make)
    def checked(mailing: Any) -> Any:
        report_access.check_making(mailing)
        user = frappe.session.user
        if getattr(frappe.local, "request", None) or not report_access.runs_as_its_user(mailing.report):
            return make(mailing)
        frappe.set_user(mailing.user)
        try:
            return make(mailing)
        finally:
            frappe.set_user(user)

    return checked


AutoEmailReport.get_report_content = _only_of_its_user(AutoEmailReport.get_report_content)
document_follow.get_document_followed_by_user = _only_visible_follows(document_follow.get_document_followed_by_user)
personal_data_download_request.get_user_data = _only_visible_data(personal_data_download_request.get_user_data)
