"""Ways to change work: our endpoints that do, and Frappe's ways to write, as tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .doors import BATCH, CIRCUIT, DEPENDENCY, JOB, LOG, RUN, SCHEDULE
from .world import BROKEN_TYPE, TYPE, Account, Request

WHOEVER_SEES, MEMBERS, ADMINS = "who sees it", "members", "admins"
DESK_ADMINS, MANAGERS = "admins with a role", "System Managers"


@dataclass(frozen=True)
class Way(Request):
    """A way to change something. `who`: those for whom it works."""

    who: str | None = None

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
    "cancel_all_jobs": ours("cancel_all_jobs", organization="<organization>"),
    "cancel_batch": ours("cancel_batch", batch_id="<batch>"),
    "retry_job": ours("retry_job", job_id="<dead>"),
    "retry_jobs": ours("retry_jobs", job_ids=["<dead>"]),
    "bulk_retry_dead_letter": ours("bulk_retry_dead_letter", organization="<organization>"),
    "retry of an error": ours("bulk_retry_dead_letter", organization="<organization>", fingerprints=["<fingerprint>"]),
    "retry_batch": ours("retry_batch", batch_id="<batch>"),
    "run_now": ours("run_now", job_id="<waiting>"),
    "reschedule_job": ours("reschedule_job", job_id="<waiting>", available_at=3600),
    "run_schedule_now": ours("run_schedule_now", schedule_id="<schedule>"),
    "manually_close_circuit": ours("manually_close_circuit", ADMINS, job_type=BROKEN_TYPE,
                                   organization="<organization>"),
    "delete_dead_letter_job": ours("delete_dead_letter_job", MANAGERS, job_id="<dead>"),
    "delete_jobs": ours("delete_jobs", MANAGERS, job_ids=["<dead>"]),
}
"""Our endpoints that change something."""


def call(method: str, /, **body: Any) -> Way:
    """A POST to a function of Frappe's."""
    return Way("POST", f"/api/method/{method}", body)


def put(doctype: str, name: str, /, **values: Any) -> Way:
    """A change by REST."""
    return Way("PUT", f"/api/resource/{doctype}/{name}", values)


def inserted(doctype: str, /, **values: Any) -> Way:
    """A new document."""
    return call("frappe.client.insert", doc={"doctype": doctype, **values})


DOC = {"doctype": JOB, "name": "<job>", "status": "Queued", "owner_user": "Guest", "organization": "<organization>"}
DB_SET = {"fieldname": "status", "value": "Queued"}
FORM = "frappe.desk.form.save.savedocs"
WRITES = {
    "POST": Way("POST", f"/api/resource/{JOB}", {"job_type": "echo_job", "organization": "<organization>"}),
    "POST with a name": Way("POST", f"/api/resource/{JOB}", DOC),
    "PUT": put(JOB, "<job>", status="Queued"),
    "PUT of the owner": put(JOB, "<job>", owner_user="Guest", owner="Guest"),
    "PUT of an attempt": put(RUN, "<run>", outcome="Failed"),
    "PUT of a batch": put(BATCH, "<batch>", status="Completed"),
    "PUT of a circuit": put(CIRCUIT, "<circuit>", status="Closed"),
    "method by REST": Way("POST", f"/api/resource/{JOB}/<job>?run_method=db_set", DB_SET),
    "method of a batch": Way("POST", f"/api/resource/{BATCH}/<batch>?run_method=db_set", DB_SET),
    "insert": call("frappe.client.insert", doc=DOC),
    "insert of an event": inserted(LOG, background_job="<job>", message="x"),
    "insert of an attempt": inserted(RUN, background_job="<job>", attempt=9),
    "insert of a dependency": inserted(DEPENDENCY, background_job="<job>", depends_on="JOB-X"),
    "insert of a circuit": inserted(CIRCUIT, job_type=TYPE, organization="<organization>"),
    "save": call("frappe.client.save", doc=DOC),
    "set_value": call("frappe.client.set_value", doctype=JOB, name="<job>", fieldname="status", value="Queued"),
    "set_value of sealed": call("frappe.client.set_value", doctype=JOB, name="<job>", fieldname="sealed_result",
                                value="x"),
    "rename": call("frappe.client.rename_doc", doctype=JOB, old_name="<job>", new_name="JOB-RENAMED"),
    "rename of a schedule": call("frappe.client.rename_doc", doctype=SCHEDULE, old_name="<schedule>", new_name="X"),
    "form": call(FORM, doc=json.dumps(DOC), action="Save"),
    "amend": call(FORM, doc=json.dumps({**DOC, "__islocal": 1, "amended_from": "<job>"}), action="Save"),
    "document method": call("run_doc_method", dt=JOB, dn="<job>", method="db_set", args='{"fieldname": "status"}'),
    "share": call("frappe.share.add", doctype=JOB, name="<job>", user="test_t_betamate@example.com", read=1, write=1),
    "share of a schedule": call("frappe.share.add", doctype=SCHEDULE, name="<schedule>",
                                user="test_t_betamate@example.com", read=1, write=1),
    "cancel by GET": Way("GET", "/api/method/dartwing_core.api.jobs.cancel_job?job_id=<waiting>"),
    "retry by GET": Way("GET", "/api/method/dartwing.dartwing_core.api.jobs.retry_job?job_id=<dead>"),
    # System Managers may delete.
    "DELETE": Way("DELETE", f"/api/resource/{JOB}/<dead>", who=MANAGERS),
    "DELETE of an attempt": Way("DELETE", f"/api/resource/{RUN}/<run>"),
    "DELETE of a batch": Way("DELETE", f"/api/resource/{BATCH}/<batch>"),  # it runs
    "DELETE of a circuit": Way("DELETE", f"/api/resource/{CIRCUIT}/<circuit>"),  # it is open
    # Admins write the schedules of their organization.
    "change of a schedule": Way("PUT", f"/api/resource/{SCHEDULE}/<schedule>", {"cron": "30 7 * * *"}, DESK_ADMINS),
    "DELETE of a schedule": Way("DELETE", f"/api/resource/{SCHEDULE}/<schedule>", who=DESK_ADMINS),
    "a new schedule": Way("POST", f"/api/resource/{SCHEDULE}", {
        "title": "x", "organization": "<organization>", "job_type": TYPE, "cron": "0 7 * * *"}, DESK_ADMINS),
}
"""Frappe's ways to write our documents. Only the engine writes them, whoever asks, except where `who` is given."""
# fmt: on
