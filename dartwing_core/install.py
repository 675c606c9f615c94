"""Hooks of install, migrate and uninstall. Records are inserted only where they are missing."""

from __future__ import annotations

from typing import Any

import frappe

from dartwing_core.jobs.attempt import idempotency
from dartwing_core.jobs.base import clock
from dartwing_core.jobs.recovery import scheduled_types

APP = "dartwing_core"
ROLES = ("Dartwing User", "Dartwing Admin")

JOB_TYPES: tuple[dict[str, Any], ...] = (
    {
        "type_name": "sample_job",
        "display_name": "Sample Job",
        "description": "Works for a while, and fails if asked to.",
        "handler_method": "dartwing_core.handlers.samples.sample_job",
        "default_timeout": 60,
        "max_retries": 3,
        "deduplication_window": 300,
    },
    {
        "type_name": "echo_job",
        "display_name": "Echo",
        "description": "Returns its parameters.",
        "handler_method": "dartwing_core.handlers.samples.echo_job",
        "default_timeout": 30,
        "max_retries": 1,
        "deduplication_window": 60,
    },
    {
        "type_name": "long_running_job",
        "display_name": "Long Running Job",
        "description": "Works for a minute or longer and can be canceled.",
        "handler_method": "dartwing_core.handlers.samples.long_running_job",
        "default_timeout": 1800,
        "default_priority": "Low",
        "max_retries": 2,
        "deduplication_window": 600,
    },
    {
        "type_name": "export_records",
        "display_name": "Export Records",
        "description": "Writes the records of a DocType that the owner may read to a CSV or XLSX file.",
        "handler_method": "dartwing_core.handlers.export_records.export_records",
        "results_visible_to": "Owner Only",
        "default_timeout": 3600,
        "default_priority": "Low",
        "max_retries": 3,
        "deduplication_window": 60,
    },
    {
        "type_name": "http_request",
        "display_name": "HTTP Request",
        "description": "Delivers a JSON payload to a URL, again until it is accepted.",
        "handler_method": "dartwing_core.handlers.http_request.http_request",
        "requires_permission": "",
        "default_timeout": 120,
        "max_retries": 5,
        "deduplication_window": 60,
    },
)


def before_install() -> None:
    """Have Frappe read the apps of the bench anew.

    A process may have started with a cache that did not know this app yet. It would search Frappe for our modules.
    """
    frappe.setup_module_map()  # `install_app` has just cleared the cache that this reads


def after_install() -> None:
    """Make the app's own records, and indexes on tables of Frappe."""
    seed()
    scheduled_types.set_back(clock.site_time())
    index_files()


def after_migrate() -> None:
    """Make records and indexes that `after_install` makes, and that a release has added since."""
    seed()
    scheduled_types.set_back(clock.site_time())
    index_files()


def index_files() -> None:
    """Make the index on addresses of Files, as Frappe 16 does: each save of a File searches those of jobs."""
    if frappe.db.db_type == "mariadb":
        frappe.db.add_index("File", ["file_url(100)"])


def before_uninstall() -> None:
    """Delete records of the app that Frappe would leave: scheduled jobs, roles, icon and sidebars of Desk 16."""
    _delete("Scheduled Job Type", {"method": ["like", f"{APP}.%"]})
    for doctype in ("Desktop Icon", "Workspace Sidebar"):
        if frappe.db.exists("DocType", doctype):  # Frappe 15 has no Workspace Sidebar
            # Without on_trash, which would also delete the app's file in developer mode.
            _delete(doctype, {"app": APP}, ignore_on_trash=True)
    for doctype in ("Has Role", "Custom DocPerm"):
        frappe.db.delete(doctype, {"role": ["in", ROLES]})
    _delete("Role", {"name": ["in", ROLES]})


def _delete(doctype: str, filters: dict[str, Any], **options: bool) -> None:
    for name in frappe.get_all(doctype, filters=filters, pluck="name"):
        frappe.delete_doc(doctype, name, force=True, ignore_permissions=True, **options)


def seed() -> None:
    """Insert missing roles and Job Types. Changes of the site stay."""
    for role in ROLES:
        _insert_if_missing("Role", role, {"role_name": role, "desk_access": 1})
    for job_type in JOB_TYPES:
        _insert_if_missing("Job Type", job_type["type_name"], job_type)
    idempotency.make_secret()


def _insert_if_missing(doctype: str, name: str, values: dict[str, Any]) -> None:
    if not frappe.db.exists(doctype, name):
        frappe.get_doc({"doctype": doctype, **values}).insert(ignore_permissions=True)
