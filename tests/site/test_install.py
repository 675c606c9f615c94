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


def test_unique_and_composite_indexes_exist():
    rows = frappe.db.sql("SHOW INDEX FROM `tabBackground Job`", as_dict=True)
    indexes: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: row.Seq_in_index):
        indexes.setdefault(row.Key_name, []).append(row.Column_name)
    columns = [tuple(index) for index in indexes.values()]
    for expected in (
        ("active_key",),
        ("status", "in_line", "waits_for", "due_epoch"),
        ("in_line", "queue", "organization", "job_type", "priority", "admission_rank"),
        ("organization", "creation"),
        ("owner_user", "creation"),
        ("depends_on",),
    ):
        assert expected in columns
    assert sum("status" in index for index in columns) <= 3, "each costs every job a part of its time"
    unique = {row.Column_name for row in rows if not row.Non_unique}
    assert {"active_key", "schedule_run"} <= unique


def test_the_scheduler_sweeps_every_minute():
    method = "dartwing_core.jobs.sweep.sweeper.sweep"
    found = frappe.get_doc("Scheduled Job Type", {"method": method})
    assert (found.cron_format, found.frequency, found.stopped) == ("* * * * *", "Cron", 0)


@pytest.mark.parametrize("doctype", ["Background Job", "Background Job Run"])
def test_a_connections_number_has_room(doctype):
    # A server counts beyond 2³¹. And "Long Int" is no type that Frappe lets a DocType be saved with.
    column = frappe.db.sql(f"SHOW COLUMNS FROM `tab{doctype}` LIKE 'connection_id'", as_dict=True)[0]
    assert column["Type"].startswith("bigint")


@pytest.mark.parametrize("doctype", [*hooks.has_permission, "Job Type"])
def test_every_field_is_of_a_type_that_may_be_saved(doctype):
    allowed = frappe.get_meta("DocField").get_field("fieldtype").options.split("\n")
    assert [field.fieldname for field in frappe.get_meta(doctype).fields if field.fieldtype not in allowed] == []


# Desk of Frappe 16, which reads files at the top of an app ------------------------------------------------------------

APP = Path(install.__file__).parent
LINKS = json.loads((APP / "workspace_sidebar/background_jobs.json").read_text())["items"]
REPORTS = ("Dead Letters by Error", "Job Type Performance")


def test_the_sidebar_leads_to_all_that_people_open_each_with_its_icon():
    links = {item["link_to"]: item for item in LINKS if item["type"] == "Link"}
    assert all(frappe.db.exists(item["link_type"], name) for name, item in links.items())
    inner = {"Background Job Dependency"}
    assert set(links) >= {*hooks.has_permission, "Job Type", "Job Engine Settings", *REPORTS} - inner
    icons = [item["icon"] for item in LINKS]
    assert all(icons)
    assert len(set(icons)) == len(icons)
