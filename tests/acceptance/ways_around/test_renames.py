"""Documents of this app are renamed with all that Frappe asks before, whatever the caller says."""

from __future__ import annotations

import frappe
import pytest

from dartwing_core.jobs import job as part
from dartwing_core.jobs import submit_batch
from tests.support import factory
from tests.support.http import Client, call
from tests.support.sent_sql import JOB, RUN


@pytest.mark.parametrize("doctype", ["Job Type", JOB, RUN, "Job Batch", "Organization"])
def test_nobody_renames_without_being_asked_for_permission(web, alice, job, doctype):
    # Seen failing: Frappe lets the caller say that neither permission nor `before_rename` is asked for. A member gave a
    # Job Type of the whole site another name, and learned by an error which organizations there are.
    job_type = factory.job_type("plain")
    frappe.db.commit()
    frappe.set_user(alice)
    batch = submit_batch(factory.ALPHA, [part(job_type, {"of": frappe.generate_hash()})]).name
    frappe.set_user("Administrator")
    frappe.db.commit()
    own = {"Job Type": job_type, JOB: job[0].name, "Job Batch": batch, "Organization": factory.ALPHA}
    name = own.get(doctype) or frappe.db.get_value(RUN, {"background_job": job[0].name})
    client = Client(web).with_token(alice)
    told, renamed = [], f"Test {frappe.generate_hash()}"
    for new in (renamed, factory.BETA):
        args = {"name": new, "force": 1, "validate_rename": 0, "merge": 0}
        answer = call(client, "run_doc_method", dt=doctype, dn=name, method="rename", args=args)
        path = f"{web}/api/v2/document/{doctype}/{name}/method/rename"
        told.append((answer.status_code, client.http.post(path, json=args, timeout=60).status_code))
        assert answer.json()["exc_type"] in ("PermissionError", "ValidationError"), answer.text
    assert told[0] == told[1]
    assert min(told[0]) >= 400
    frappe.db.rollback()
    assert frappe.db.exists(doctype, name)
    assert not frappe.db.exists(doctype, renamed)


def test_not_even_a_manager_renames_past_the_rules_of_ours(web, job):
    manager = factory.user("renames", roles=("System Manager",))
    frappe.db.commit()
    client = Client(web).with_token(manager)
    for doctype, name in ((JOB, job[0].name), ("Job Type", job[0].job_type)):
        args = {"name": f"Test {frappe.generate_hash()}", "force": 1, "validate_rename": 0}
        answer = call(client, "run_doc_method", dt=doctype, dn=name, method="rename", args=args)
        assert answer.status_code >= 400, answer.text
