"""A Workflow of Frappe's is saved in Desk as without this app, on DocTypes that may lead to ours too."""

from __future__ import annotations

import json

import frappe
import pytest

from tests.support import factory
from tests.support.http import Client, call

COUNT = "frappe.workflow.doctype.workflow.workflow.get_workflow_state_count"


@pytest.mark.parametrize("doctype", ["Contact", "Note"])
def test_a_workflow_is_saved(web, doctype):
    # Seen failing at the counts: 403 for each DocType with a dynamic link, even for Administrator.
    states = [frappe.get_all("Workflow State", pluck="name", limit=1)[0]]
    actions = frappe.get_all("Workflow Action Master", pluck="name", limit=1)
    manager = factory.user("draws_workflows", roles=("System Manager",))
    client = Client(web).with_token(manager)
    values = {"doctype": "Workflow", "name": "new-workflow-1", "workflow_name": "test workflow", "is_active": 0}
    values |= {"document_type": doctype, "workflow_state_field": "workflow_state", "send_email_alert": 0}
    values["states"] = [{"state": states[0], "doc_status": "0", "allow_edit": "System Manager"}]
    step = {"state": states[0], "action": actions[0], "next_state": states[0], "allowed": "System Manager"}
    values["transitions"] = [step]
    try:
        saved = call(
            client, "frappe.desk.form.save.savedocs", doc=json.dumps({**values, "__islocal": 1}), action="Save"
        )
        assert saved.status_code == 200, saved.text[:500]
        arguments = {"doctype": doctype, "workflow_state_field": "workflow_state", "states": json.dumps(states)}
        counted = call(client, COUNT, **arguments)
        assert counted.status_code == 200, counted.text[:500]
        again = json.dumps(saved.json()["docs"][0])
        assert call(client, "frappe.desk.form.save.savedocs", doc=again, action="Save").status_code == 200
    finally:
        frappe.db.rollback()
        frappe.delete_doc("Workflow", "test workflow", force=True, ignore_missing=True)
        frappe.db.delete("Custom Field", {"fieldname": "workflow_state", "dt": doctype})
        frappe.db.commit()
        frappe.clear_cache(doctype=doctype)
