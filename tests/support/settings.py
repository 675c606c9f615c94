"""Changing Job Engine Settings, System Settings or the site's configuration, for a test."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import frappe

from dartwing_core.jobs.lib import connection


@contextmanager
def settings(**values: Any) -> Iterator[None]:
    """These values while the block runs, and what was there before after it; committed, so that workers see them."""
    before = {name: frappe.db.get_single_value("Job Engine Settings", name) for name in values}
    _save(values)
    try:
        yield
    finally:
        connection.discard()
        _save(before)


@contextmanager
def system_settings(**values: Any) -> Iterator[None]:
    """These values in System Settings while the block runs; committed, so that other processes see them."""
    before = {name: frappe.db.get_single_value("System Settings", name) for name in values}
    _set_system_settings(values)
    try:
        yield
    finally:
        connection.discard()
        _set_system_settings(before)


def _set_system_settings(values: dict[str, Any]) -> None:
    for name, value in values.items():
        frappe.db.set_single_value("System Settings", name, value)
    frappe.db.commit()
    frappe.clear_cache(doctype="System Settings")


def _save(values: dict[str, Any]) -> None:
    document = frappe.get_doc("Job Engine Settings")
    document.update(values)
    document.save(ignore_permissions=True)
    frappe.db.commit()


@contextmanager
def site_configuration(**values: Any) -> Iterator[None]:
    """These values in site_config.json while the block runs. Other keys stay as Frappe writes them meanwhile."""
    with _configuration(Path(os.environ["DW_SITES_PATH"]) / os.environ["DW_SITE"] / "site_config.json", values):
        yield


@contextmanager
def _configuration(file: Path, values: dict[str, Any]) -> Iterator[None]:
    before = json.loads(file.read_text())
    _write(file, before | values)
    try:
        yield
    finally:
        others = {name: value for name, value in json.loads(file.read_text()).items() if name not in values}
        _write(file, others | {name: before[name] for name in values if name in before})


def _write(file: Path, configuration: dict[str, Any]) -> None:
    """In one step: a process that starts meanwhile reads the file too."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps(configuration, indent=1, sort_keys=True))
    new.chmod(file.stat().st_mode)
    new.replace(file)
