"""Printed documents show what jobs say as text."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import submit_batch
from tests.support import contents, factory
from tests.support.jobs import run
from tests.support.sessions import committed

HACK = "<img src=x onerror='window.hacked=1'>"  # in quotes, it is JSON too


def printed_fields(doctype: str) -> list[str]:
    return [field for field in contents.TEXTS[doctype] if field != "traceback"]  # code, which Frappe escapes itself


@pytest.fixture
def printed():
    """What a print of each shows of its texts, all of which are markup."""
    batch = committed(submit_batch, factory.ALPHA, [{"job_type": factory.job_type("note", "add_note")}])
    job = frappe.get_doc("Background Job", {"parent_batch": batch.name})
    run(job)

    def html(doctype: str) -> str:
        name = contents.fill(doctype, job.name, batch.name, lambda field: f'"{field} {HACK}"')
        doc = frappe.get_doc(doctype, name)
        doc.run_method("before_print", frappe._dict())  # as Frappe does, whose print formats a bench alone has
        return "\n".join(str(doc.get_formatted(field) or "") for field in printed_fields(doctype))

    return html


@pytest.mark.parametrize("doctype", contents.TEXTS)
def test_texts_of_the_engine_are_printed_as_text(printed, doctype):
    # Whoever submits a job, cancels one or answers its request may write them, and an administrator may print them.
    page = printed(doctype)
    assert "<img src=x" not in page
    for field in printed_fields(doctype):
        assert f"{field} &lt;img src=x" in page, field
