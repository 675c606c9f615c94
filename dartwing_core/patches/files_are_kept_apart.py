"""Gives private files of schedules, organizations and members names that nobody can guess, and bytes of their own."""

from __future__ import annotations

import frappe

from dartwing_core.jobs.access import result_files
from dartwing_core.jobs.access.desk_access import ENGINE_DOCTYPES, TENANT_DOCTYPES


def execute() -> None:
    doctypes = sorted({*TENANT_DOCTYPES} - {*ENGINE_DOCTYPES})
    for name in frappe.get_all("File", {"attached_to_doctype": ["in", doctypes], "is_private": 1}, pluck="name"):
        file = frappe.get_doc("File", name)
        before = file.file_url
        result_files.keep_apart(file)
        if file.file_url != before:
            file.db_set({"file_url": file.file_url, "content_hash": file.content_hash}, update_modified=False)
