"""Batches of Test Alpha: made, run, and what has become of them."""

from __future__ import annotations

from typing import Any

import frappe
from frappe.model.document import Document

from dartwing_core.jobs import batch, executor, get_batch_status, job
from tests.support import attempts, contents, factory

CALLBACKS = ("on_complete", "on_success", "on_failure")
"""Of a batch; each is a job of the type `test_told`."""


def made(*parts: Any, callbacks: tuple[str, ...] = CALLBACKS, **more: Any) -> Document:
    """A batch of Test Alpha with these callbacks, committed."""
    arguments: dict[str, Any] = {kind: job("test_told", {"kind": kind}) for kind in callbacks} | more
    found = batch(*parts, **arguments).submit(factory.ALPHA)
    frappe.db.commit()
    return found


def members(found: Document) -> dict[str, str]:
    """The members' names by their keys."""
    frappe.db.rollback()
    rows = frappe.get_all("Background Job", {"parent_batch": found.name}, ["job_key", "name"])
    return {row.job_key: row.name for row in rows}


def run(name: str, times: int = 1) -> None:
    """Make the next attempts of this member."""
    for _time in range(times):
        executor.execute_job(name, frappe.db.get_value("Background Job", name, "attempt") + 1)
        frappe.db.rollback()


def work() -> list[str]:
    """Run all there is to run; the keys and callbacks in their order."""
    done = []
    while name := attempts.run_next():
        key = frappe.db.get_value("Background Job", name, "job_key")
        done.append(key or contents.parameters(name)["kind"])
    return done


def state(found: Document) -> str:
    """The batch's status as committed now."""
    frappe.db.rollback()
    return get_batch_status(found.name)["status"]


def callbacks(found: Document) -> dict[str, str]:
    """Which callbacks were made, with their jobs; and that each was made once."""
    frappe.db.rollback()
    status = get_batch_status(found.name)
    jobs = frappe.get_all("Background Job", {"callback_of": found.name}, pluck="name")
    noted = {kind: status[f"{kind}_job"] for kind in CALLBACKS if status[f"{kind}_job"]}
    assert sorted(noted.values()) == sorted(jobs)
    return noted


def status_of(name: str) -> str:
    """The status of this member, as the transaction sees it."""
    return frappe.db.get_value("Background Job", name, "status")
