"""Jobs can't be made, re-owned, changed or set Running by hand (regression 7); deleting takes the history along."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import executor, submit_batch, submit_job
from dartwing_core.jobs import job as part
from dartwing_core.jobs.access import visibility
from tests.support import contents, factory


@pytest.fixture
def job():
    made = submit_job(factory.job_type("plain"), factory.ALPHA)
    frappe.db.commit()
    return frappe.get_doc("Background Job", made.name)


@pytest.mark.parametrize("doctype", visibility.ENGINE_DOCTYPES)
def test_nobody_inserts_by_hand(doctype):
    with pytest.raises(frappe.PermissionError, match="Only the job engine"):
        frappe.get_doc({"doctype": doctype}).insert()


@pytest.mark.parametrize(
    ("field", "value"), [("status", "Running"), ("owner_user", "Guest"), ("input_parameters", "{}"), ("retry_count", 0)]
)
def test_not_even_administrator_changes_a_job(job, field, value):
    job.set(field, value)
    with pytest.raises(frappe.PermissionError, match="Only the job engine"):
        job.save(ignore_permissions=True)


def test_a_deleted_document_keeps_nothing_of_ours(job):
    executor.execute_job(job.name, 1)
    contents.store(job.name, {"input_parameters": '{"text": "s3cret"}', "result": '"s3cret"'})
    batch = submit_batch(factory.ALPHA, [part(job.job_type, {"text": "s3cret"})], description="s3cret").name
    frappe.db.set_value("Job Batch", batch, "status", "Canceled")
    schedule = {"title": "s3cret", "parameters": '{"text": "s3cret"}', "cron": "0 7 * * *", "frequency": "Cron"}
    schedule |= {"doctype": "Job Schedule", "organization": factory.ALPHA, "job_type": job.job_type}
    schedule = frappe.get_doc(schedule).insert().name
    run = frappe.get_all("Background Job Run", {"background_job": job.name}, pluck="name")[0]
    log = frappe.get_all("Job Execution Log", {"background_job": job.name}, pluck="name")[0]
    contents.store(run, {"traceback": "s3cret"}, "Background Job Run")
    contents.store(log, {"message": "s3cret"}, "Job Execution Log")
    gone = [("Background Job Run", run), ("Job Execution Log", log), ("Background Job", job.name), ("Job Batch", batch)]
    for doctype, name in (*gone, ("Job Schedule", schedule)):
        frappe.delete_doc(doctype, name)
        kept = frappe.get_all("Deleted Document", {"deleted_name": name}, pluck="data")
        assert len(kept) == 1, doctype
        assert "s3cret" not in kept[0], doctype
        assert factory.ALPHA not in kept[0], doctype
