"""Removes formulas from files that Frappe makes of our DocTypes and reports: texts of users stay texts."""

from __future__ import annotations

import frappe
from werkzeug.wrappers import Request, Response

from dartwing_core.handlers import record_files
from dartwing_core.jobs.access.desk_access import TENANT_DOCTYPES

from . import report_access

ZIP = b"PK\x03\x04"
"""An XLSX file begins like this."""


def after_request(response: Response | None, request: Request) -> None:  # noqa: ARG001 - by these names
    """Hook: acts on the answer, so that it covers all of Frappe's functions that make files."""
    answer = getattr(frappe.local, "response", None) or {}
    if response is None or answer.get("type") not in ("binary", "csv", "download") or not _is_of_ours():
        return
    content = response.get_data()
    if content.startswith(ZIP):
        response.set_data(record_files.neutral_xlsx(content))
    elif answer["type"] == "csv" or str(answer.get("filename")).endswith(".csv"):
        delimiter = str(frappe.form_dict.get("csv_delimiter") or ",")[0]
        response.set_data(record_files.neutral_csv(content, delimiter))


def _is_of_ours() -> bool:
    doctypes, report = (frappe.form_dict.get(name) for name in ("doctype", "report_name"))
    is_list = isinstance(doctypes, list)
    if any(doctype in TENANT_DOCTYPES for doctype in (doctypes if is_list else [doctypes])):
        return True
    return isinstance(report, str) and report_access.is_on_jobs(report)
