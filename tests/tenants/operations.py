"""Ways to change work: our endpoints that do, and Frappe's ways to write, as tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.support.http import Client

from .doors import BATCH, CIRCUIT, DEPENDENCY, JOB, LOG, RUN, SCHEDULE
from .world import BROKEN_TYPE, TYPE, Account, Work

WHOEVER_SEES, MEMBERS, ADMINS = "who sees it", "members", "admins"
DESK_ADMINS, MANAGERS = "admins with a role", "System Managers"


@dataclass(frozen=True)
class Way:
    """A way to change something. `who`: those for whom it works."""

    verb: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    who: str | None = None

    def go(self, client: Client, work: Work) -> requests.Response:
        """The answer of trying it on this work."""
        path, body = work.filled(self.path), work.filled(self.body)
        return client.http.request(self.verb, client.url + path, json=body, timeout=60)

    def works(self, account: Account, relation: str) -> bool:
        """Whether it works for this account and work."""
        is_home = relation == "own" or (relation == "mate" and bool(account.sees))
        return {
            None: False,
            WHOEVER_SEES: relation in account.sees,
            MEMBERS: (bool(account.sees) and is_home) or account.is_manager,
            ADMINS: relation in account.administers,
            DESK_ADMINS: relation in account.administers and account.has_desk,
            MANAGERS: account.is_manager,
        }[self.who]


def ours(name: str, who: str = WHOEVER_SEES, /, **body: Any) -> Way:
    """A POST to one of our endpoints."""
    return Way("POST", f"/api/method/dartwing_core.api.jobs.{name}", body, who)


NEW = {"job_type": TYPE, "organization": "<organization>", "parameters": {"person": "x", "then": "return"}}
# fmt: off
OPERATIONS = {
    "submit_job": ours("submit_job", MEMBERS, **NEW),
    "submit_jobs": ours("submit_jobs", MEMBERS, jobs=[NEW]),
    "submit_batch": ours("submit_batch", MEMBERS, organization="<organization>", jobs=[{"job_type": TYPE}]),
    "cancel_job": ours("cancel_job", job_id="<waiting>"),
    "cancel_jobs": ours("cancel_jobs", job_ids=["<waiting>"]),
    "cancel_batch": ours("cancel_batch", batch_id="<batch>"),
    "retry_job": ours("retry_job", job_id="<dead>"),
    "retry_jobs": ours("retry_jobs", job_ids=["<dead>"]),
    "retry_dead_letters": ours("retry_dead_letters", organization="<organization>", fingerprints=["<fingerprint>"]),
    "bulk_retry_dead_letter": ours("bulk_retry_dead_letter", organization="<organization>"),
    "retry_batch": ours("retry_batch", batch_id="<batch>"),
    "run_now": ours("run_now", job_id="<waiting>"),
    "reschedule_job": ours("reschedule_job", job_id="<waiting>", available_at=3600),
    "run_schedule_now": ours("run_schedule_now", schedule_id="<schedule>"),
    "manually_close_circuit": ours("manually_close_circuit", ADMINS, job_type=BROKEN_TYPE,
                                   organization="<organization>"),
    "delete_dead_letter_job": ours("delete_dead_letter_job", MANAGERS, job_id="<dead>"),
    "delete_jobs": ours("delete_jobs", MANAGERS, job_ids=["<dead>"]),
}
"""Our endpoints that change something, by their names."""


def call(method: str, /, **body: Any) -> Way:
    """A POST to a function of Frappe's."""
    return Way("POST", f"/api/method/{method}", body)


def text(**values: Any) -> str:
    """An argument that is a JSON object."""
    return json.dumps(values)


DOC = {"doctype": JOB, "name": "<job>", "status": "Queued", "owner_user": "Guest", "organization": "<organization>"}
CLIENT, DESK = "frappe.client", "frappe.desk"
BOB = "test_t_betamate@example.com"

WRITES = {
    "POST": Way("POST", f"/api/resource/{JOB}", {"job_type": "echo_job", "organization": "<organization>"}),
    "POST with a name": Way("POST", f"/api/resource/{JOB}", DOC),
    "PUT": Way("PUT", f"/api/resource/{JOB}/<job>", {"status": "Queued"}),
    "PUT of the owner": Way("PUT", f"/api/resource/{JOB}/<job>", {"owner_user": "Guest", "owner": "Guest"}),
    "PUT of an attempt": Way("PUT", f"/api/resource/{RUN}/<run>", {"outcome": "Failed"}),
    "PUT of a batch": Way("PUT", f"/api/resource/{BATCH}/<batch>", {"status": "Completed"}),
    "PUT of a circuit": Way("PUT", f"/api/resource/{CIRCUIT}/<circuit>", {"status": "Closed"}),
    "method by REST": Way("POST", f"/api/resource/{JOB}/<job>?run_method=db_set",
                          {"fieldname": "status", "value": "Queued"}),
    "method of a batch": Way("POST", f"/api/resource/{BATCH}/<batch>?run_method=db_set",
                             {"fieldname": "status", "value": "x"}),
    "PATCH": Way("PATCH", f"/api/v2/document/{JOB}/<job>", {"status": "Queued"}),
    "POST 2": Way("POST", f"/api/v2/document/{JOB}", DOC),
    "method by REST 2": Way("POST", f"/api/v2/document/{JOB}/<job>/method/db_set",
                            {"fieldname": "status", "value": "Queued"}),
    "insert": call(f"{CLIENT}.insert", doc=DOC),
    "insert_many": call(f"{CLIENT}.insert_many", docs=[DOC]),
    "insert of an event": call(f"{CLIENT}.insert", doc={"doctype": LOG, "background_job": "<job>", "message": "x"}),
    "insert of an attempt": call(f"{CLIENT}.insert", doc={"doctype": RUN, "background_job": "<job>", "attempt": 9}),
    "insert of a dependency": call(f"{CLIENT}.insert",
                                   doc={"doctype": DEPENDENCY, "background_job": "<job>", "depends_on": "JOB-X"}),
    "insert of a circuit": call(f"{CLIENT}.insert",
                                doc={"doctype": CIRCUIT, "job_type": TYPE, "organization": "<organization>"}),
    "save": call(f"{CLIENT}.save", doc=DOC),
    "set_value": call(f"{CLIENT}.set_value", doctype=JOB, name="<job>", fieldname="status", value="Queued"),
    "set_value of several": call(f"{CLIENT}.set_value", doctype=JOB, name="<job>",
                                 fieldname=text(owner_user="Guest", retry_count=7)),
    "set_value of sealed": call(f"{CLIENT}.set_value", doctype=JOB, name="<job>", fieldname="sealed_result", value="x"),
    "bulk_update": call(f"{CLIENT}.bulk_update", docs=json.dumps([{**DOC, "docname": "<job>"}])),
    "submit": call(f"{CLIENT}.submit", doc=DOC),
    "cancel": call(f"{CLIENT}.cancel", doctype=JOB, name="<job>"),
    "amend": call(f"{DESK}.form.save.savedocs", doc=json.dumps({**DOC, "__islocal": 1, "amended_from": "<job>"}),
                  action="Save"),
    "rename": call(f"{CLIENT}.rename_doc", doctype=JOB, old_name="<job>", new_name="JOB-RENAMED"),
    "rename of a schedule": call(f"{CLIENT}.rename_doc", doctype=SCHEDULE, old_name="<schedule>", new_name="RENAMED"),
    "rename by the form": call("frappe.model.rename_doc.update_document_title", doctype=JOB, docname="<job>", name="X"),
    "form": call(f"{DESK}.form.save.savedocs", doc=json.dumps(DOC), action="Save"),
    "form's cancel": call(f"{DESK}.form.save.cancel", doctype=JOB, name="<job>"),
    "document method": call("run_doc_method", dt=JOB, dn="<job>", method="db_set", args=text(fieldname="status")),
    "bulk edit": call(f"{DESK}.doctype.bulk_update.bulk_update.submit_cancel_or_update_docs", doctype=JOB,
                      docnames=json.dumps(["<job>"]), action="update", data=text(status="Queued")),
    "calendar": call(f"{DESK}.calendar.update_event", args=text(doctype=JOB, name="<job>", start="2026-01-01"),
                     field_map=text(start="started_at")),
    "workflow": call("frappe.model.workflow.apply_workflow", doc=json.dumps(DOC), action="Approve"),
    "share": call("frappe.share.add", doctype=JOB, name="<job>", user=BOB, read=1, write=1),
    "share permission": call("frappe.share.set_permission", doctype=JOB, name="<job>", user=BOB, permission_to="read"),
    "insert of a share": call(f"{CLIENT}.insert", doc={
        "doctype": "DocShare", "user": BOB, "share_doctype": JOB, "share_name": "<job>", "read": 1}),
    "share of a schedule": call("frappe.share.add", doctype=SCHEDULE, name="<schedule>", user=BOB, read=1, write=1),
    "tag": call(f"{DESK}.doctype.tag.tag.add_tag", tag="urgent", dt=JOB, dn="<job>"),
    "import": call(f"{CLIENT}.insert", doc={
        "doctype": "Data Import", "reference_doctype": JOB, "import_type": "Update Existing Records"}),
    "cancel by GET": Way("GET", "/api/method/dartwing_core.api.jobs.cancel_job?job_id=<waiting>"),
    "retry by GET": Way("GET", "/api/method/dartwing.dartwing_core.api.jobs.retry_job?job_id=<dead>"),
    "delete by GET": Way("GET", "/api/method/dartwing_core.api.jobs.delete_dead_letter_job?job_id=<dead>"),
    # System Managers may delete.
    "DELETE": Way("DELETE", f"/api/resource/{JOB}/<dead>", who=MANAGERS),
    "DELETE of an attempt": Way("DELETE", f"/api/resource/{RUN}/<run>"),
    "DELETE of a batch": Way("DELETE", f"/api/resource/{BATCH}/<batch>"),  # it runs
    "DELETE of a circuit": Way("DELETE", f"/api/resource/{CIRCUIT}/<circuit>"),  # it is open
    "DELETE 2": Way("DELETE", f"/api/v2/document/{JOB}/<dead>", who=MANAGERS),
    "delete": Way("POST", f"/api/method/{CLIENT}.delete", {"doctype": JOB, "name": "<dead>"}, MANAGERS),
    "delete of several": Way("POST", f"/api/method/{DESK}.reportview.delete_items",
                             {"doctype": JOB, "items": json.dumps(["<dead>"])}, MANAGERS),
    # Admins write the schedules of their organization.
    "change of a schedule": Way("PUT", f"/api/resource/{SCHEDULE}/<schedule>", {"cron": "30 7 * * *"}, DESK_ADMINS),
    "set_value of a schedule": Way("POST", f"/api/method/{CLIENT}.set_value", {
        "doctype": SCHEDULE, "name": "<schedule>", "fieldname": "cron", "value": "40 7 * * *"}, DESK_ADMINS),
    "DELETE of a schedule": Way("DELETE", f"/api/resource/{SCHEDULE}/<schedule>", who=DESK_ADMINS),
    "a new schedule": Way("POST", f"/api/resource/{SCHEDULE}", {
        "title": "x", "organization": "<organization>", "job_type": TYPE, "cron": "0 7 * * *"}, DESK_ADMINS),
}
"""Frappe's ways to write our documents. Only the engine writes them, whoever asks, except where `who` is given."""

HUNG = {
    "comment": call(f"{DESK}.form.utils.add_comment", reference_doctype=JOB, reference_name="<job>", content="hello",
                    comment_email="x@example.com", comment_by="x"),
    "insert of a comment": call(f"{CLIENT}.insert", doc={
        "doctype": "Comment", "comment_type": "Comment", "reference_doctype": JOB, "reference_name": "<job>",
        "content": "hello"}),
    "assignment": call(f"{DESK}.form.assign_to.add", assign_to=json.dumps([BOB]), doctype=JOB, name="<job>",
                       description="x"),
    "assignments": call(f"{DESK}.form.assign_to.add_multiple", assign_to=json.dumps([BOB]), doctype=JOB,
                        name=json.dumps(["<job>"]), description="x"),
    "insert of a ToDo": call(f"{CLIENT}.insert", doc={
        "doctype": "ToDo", "description": "x", "reference_type": JOB, "reference_name": "<job>"}),
    "insert of a tag": call(f"{CLIENT}.insert", doc={
        "doctype": "Tag Link", "tag": "urgent", "document_type": JOB, "document_name": "<job>"}),
    "like": call(f"{DESK}.like.toggle_like", doctype=JOB, name="<job>", add="Yes"),
    "follow": call(f"{DESK}.form.document_follow.update_follow", doctype=JOB, doc_name="<job>", following=True),
    "mail": call("frappe.core.doctype.communication.email.make", doctype=JOB, name="<job>", content="x", subject="x",
                 recipients="x@example.com", send_email=0),
    "attachment": call(f"{CLIENT}.attach_file", filename="x.txt", filedata="eA==", decode_base64=1, doctype=JOB,
                       docname="<job>", is_private=1),
    "insert of a file": call(f"{CLIENT}.insert", doc={
        "doctype": "File", "file_url": "https://example.com/x", "attached_to_doctype": JOB,
        "attached_to_name": "<job>"}),
}
"""What people hang on documents, by Frappe's rules."""
# fmt: on
