"""Printed documents show what jobs say as text."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import submit_batch
from tests.support import contents, factory
from tests.support.jobs import run
from tests.support.sessions import committed

HACK = "<img src=x onerror='window.hacked=1'>"  # in quotes, it is JSON too
TEXTS = {
    "Background Job": ("progress_message", "error_message", "output_reference", "job_key", "result"),
    "Background Job Run": ("progress_message", "error_message", "worker"),
    "Job Execution Log": ("message", "worker"),
    "Job Batch": ("description", "cancel_reason"),
}


@pytest.fixture
def printed():
    """What a print of each shows of its texts, all of which are markup."""
    batch = committed(submit_batch, factory.ALPHA, [{"job_type": factory.job_type("note", "add_note")}])
    job = frappe.get_doc("Background Job", {"parent_batch": batch.name})
    run(job)

    def html(doctype: str) -> str:
        filters = {"Background Job": {"name": job.name}, "Job Batch": {"name": batch.name}}
        name = frappe.db.get_value(doctype, filters.get(doctype, {"background_job": job.name}))
        committed(contents.store, name, {field: f'"{field} {HACK}"' for field in TEXTS[doctype]}, doctype)
        doc = frappe.get_doc(doctype, name)
        doc.run_method("before_print", frappe._dict())  # as Frappe does, whose print formats a bench alone has
        return "\n".join(str(doc.get_formatted(field) or "") for field in TEXTS[doctype])

    return html


@pytest.mark.parametrize("doctype", TEXTS)
def test_texts_of_the_engine_are_printed_as_text(printed, doctype):
    # Whoever submits a job, cancels one or answers its request may write them, and an administrator may print them.
    page = printed(doctype)
    assert "<img src=x" not in page
    for field in TEXTS[doctype]:
        shown = f"{field} &lt;img src=x"
        assert shown in page, field
