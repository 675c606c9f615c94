"""Jobs with several parents, and parents that end as they should not."""

from __future__ import annotations

from typing import Any

import frappe
from frappe.model.document import Document

from dartwing_core.jobs import cancel_job, executor
from dartwing_core.jobs.sweep import sweeper
from tests.support import factory
from tests.support.jobs import status, submitted, submitted_with


def parents_of(job_type: str, number: int, *plan: str) -> list[Document]:
    """So many jobs that end as planned."""
    return [submitted(job_type, n=n, plan=plan or ("ok",)) for n in range(number)]


def child_of(job_type: str, parents: list[Document], **arguments: Any) -> Document:
    """A job that depends on all of these."""
    return submitted_with(
        job_type, parameters={"plan": ["ok"]}, depends_on=[parent.name for parent in parents], **arguments
    )


def end_badly(parent: Document, how: str) -> None:
    """Let the parent be canceled, die or be gone, with a sweep in the last case."""
    if how == "Canceled":
        cancel_job(parent.name)
        frappe.db.commit()
    elif how == "Dead Letter":
        executor.execute_job(parent.name, 1)
        assert status(parent) == "Dead Letter"
    else:
        frappe.db.sql("DELETE FROM `tabBackground Job` WHERE name = %s", (parent.name,))
        frappe.db.commit()
        sweeper.sweep()


def request_of(job_type: str, organization: str = factory.ALPHA, **arguments: Any) -> dict[str, Any]:
    """A job as `submit_jobs` takes it; what is no argument of a job is a parameter."""
    more = {name: arguments.pop(name) for name in ("key", "depends_on", "on_parent_failure") if name in arguments}
    parameters = {"plan": ["ok"], **arguments}
    return {"job_type": job_type, "organization": organization, "parameters": parameters, **more}
