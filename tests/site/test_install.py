"""What a site gets on install, and keeps on migrate (regression: fixtures in a folder Frappe does not read)."""

from __future__ import annotations

import json
from pathlib import Path

import frappe
import pytest

from dartwing_core import hooks, install

CONTRACT = {
    "sample_job": (60, "Normal", 3, 300),
    "echo_job": (30, "Normal", 1, 60),
    "long_running_job": (1800, "Low", 2, 600),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_sample_types_are_those_of_the_contract(name):
    found = frappe.get_doc("Job Type", name)
    values = (found.default_timeout, found.default_priority, found.max_retries, found.deduplication_window)
    assert values == CONTRACT[name]
    assert found.is_enabled


def test_migrating_keeps_what_the_site_changed_and_restores_what_is_missing():
    before = frappe.db.get_value("Job Type", "echo_job", "default_timeout")
    frappe.db.set_value("Job Type", "echo_job", "default_timeout", 99)
    frappe.delete_doc("Job Type", "sample_job", force=True)
    try:
        install.after_migrate()
        assert frappe.db.get_value("Job Type", "echo_job", "default_timeout") == 99
        assert frappe.db.exists("Job Type", "sample_job")
    finally:
        frappe.db.set_value("Job Type", "echo_job", "default_timeout", before)
        frappe.db.commit()  # as a migration may have done
        frappe.clear_document_cache("Job Type", "echo_job")
        frappe.clear_document_cache("Job Type", "sample_job")


def test_what_there_is_once_is_unique_and_the_status_is_in_few_indexes():
    rows = frappe.db.sql("SHOW INDEX FROM `tabBackground Job`", as_dict=True)
    assert {"active_key", "schedule_run"} <= {row.Column_name for row in rows if not row.Non_unique}
    assert sum(row.Column_name == "status" for row in rows) <= 3, "each costs every job a part of its time"


def test_the_scheduler_sweeps_every_minute():
    method = "dartwing_core.jobs.sweep.sweeper.sweep"
    found = frappe.get_doc("Scheduled Job Type", {"method": method})
    assert (found.cron_format, found.frequency, found.stopped) == ("* * * * *", "Cron", 0)


# Desk of Frappe 16, which reads files at the top of an app ------------------------------------------------------------

APP = Path(install.__file__).parent
LINKS = json.loads((APP / "workspace_sidebar/background_jobs.json").read_text())["items"]
REPORTS = ("Dead Letters by Error", "Job Type Performance")


def test_the_sidebar_leads_to_all_that_people_open():
    links = {item["link_to"]: item for item in LINKS if item["type"] == "Link"}
    assert all(frappe.db.exists(item["link_type"], name) for name, item in links.items())
    inner = {"Background Job Dependency"}
    assert set(links) >= {*hooks.has_permission, "Job Type", "Job Engine Settings", *REPORTS} - inner
