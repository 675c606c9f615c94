"""Ways to get at contents that are for somebody else, as a table. Each is tried with all that an attacker may know.

An attack is a list of requests, made one after the other. `<it>` is the name of the document that the request before
it has made, `<own:job>` that of the attacker's own job.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import requests

from tests.support.http import Client

from .doors import BATCH, JOB, RUN, SCHEDULE
from .world import TYPE, Request, Work

CLIENT, DESK, RESOURCE = "frappe.client", "frappe.desk", "/api/resource"


def get(method: str, /, **arguments: Any) -> Request:
    """A GET of a function."""
    return Request("GET", f"/api/method/{method}", arguments)


def post(method: str, /, **arguments: Any) -> Request:
    """A POST to a function."""
    return Request("POST", f"/api/method/{method}", arguments)


def insert(**values: Any) -> Request:
    """A new document."""
    return post(f"{CLIENT}.insert", doc=values)


def read(path: str, /, **arguments: Any) -> Request:
    """A GET of an address."""
    return Request("GET", path, arguments)


def answers(client: Client, attack: list[Request], work: Work, own: Work) -> Iterator[requests.Response]:
    """The answers to an attack on this work."""
    known = Work(
        work.person, work.organization, {**work.names, **{f"own_{key}": name for key, name in own.names.items()}}
    )
    for request in attack:
        answer = request.send(client, known)
        known.names["it"] = _made(answer)
        yield answer


def _made(answer: requests.Response) -> str:
    try:
        told = answer.json()
        made = told.get("message") or told.get("data") or (told.get("docs") or [{}])[0]
        return str(made.get("name") if isinstance(made, dict) else made)
    except (ValueError, AttributeError, IndexError):
        return "nothing"


FORGED = {"doctype": JOB, "name": "<own_job>", "owner_user": "<own_user>", "organization": "<own_organization>"}
TOKEN = {"sealed_result": "<token>", "sealed_output_reference": "<token>", "sealed_input_parameters": "<token>"}
FORGED_RUN = {"doctype": RUN, "name": "<own_run>", "background_job": "<own_job>", "attempt": 1}
NEW_SCHEDULE = {"doctype": SCHEDULE, "title": "x", "organization": "<own_organization>", "job_type": TYPE,
                "frequency": "Cron", "cron": "0 7 * * *", "time_zone": "UTC"}  # fmt: skip
REPORT_NAME = "Failed Jobs by Error"
OWN_FILE = {"doctype": "File", "file_name": "x.txt", "file_url": "<address>", "is_private": 1}

# fmt: off
ATTACKS: dict[str, list[Request]] = {
    # Virtual fields, which a loaded document opens
    "virtual fields": [get(f"{CLIENT}.get_list", doctype=JOB, fields=["name", "result", "input_parameters"]),
                       get(f"{CLIENT}.get_value", doctype=JOB, fieldname=["result"], filters={"name": "<job>"}),
                       get(f"{CLIENT}.get_value", doctype=RUN, fieldname=["traceback"], filters={"name": "<deadrun>"})],
    "links": [get(f"{CLIENT}.get_list", doctype=RUN, fields=["background_job.result"]),
              read(f"{RESOURCE}/{RUN}/<own_run>", expand_links=1),
              post(f"{CLIENT}.validate_link", doctype=JOB, docname="<job>", fields=["result"])],
    "exports": [get(f"{DESK}.reportview.export_query", doctype=JOB, file_format_type="CSV", title="x",
                    fields=["`tabBackground Job`.`sealed_result`", "`tabBackground Job`.`result`"]),
                post("frappe.core.doctype.data_export.exporter.export_data", doctype=JOB, with_data=1, file_type="CSV",
                     select_columns=json.dumps({JOB: ["name", "result", "input_parameters"]}))],
    "reports": [post("frappe.core.doctype.prepared_report.prepared_report.make_prepared_report",
                     report_name=REPORT_NAME, filters="{}"), read(f"{RESOURCE}/Prepared Report/<it>"),
                get(f"{DESK}.query_report.run", report_name=REPORT_NAME, user="Administrator"),
                get(f"{DESK}.query_report.run", report_name=REPORT_NAME, are_default_filters=0,
                    filters={"organization": "<organization>"})],
    "mail": [post("frappe.core.doctype.communication.email.make", doctype=JOB, name="<job>", content="x", subject="x",
                  recipients="x@example.com", print_html="", attach_document_print=True, send_email=0),
             read(f"{RESOURCE}/Communication/<it>")],
    # What is kept elsewhere
    "deleted documents": [read(f"{RESOURCE}/Deleted Document", fields=["data"]),
                          get(f"{CLIENT}.get_list", doctype="Deleted Document", fields=["data"]),
                          post("frappe.core.doctype.deleted_document.deleted_document.restore", name="<job>")],
    "shares": [post("frappe.share.add", doctype=JOB, name="<job>", user="<own_user>", read=1),
               read(f"{RESOURCE}/{JOB}/<job>")],
    "assignment": [post(f"{DESK}.form.assign_to.add", assign_to=json.dumps(["<own_user>"]), doctype=JOB, name="<job>"),
                   insert(doctype="ToDo", description="x", reference_type=JOB, reference_name="<job>"),
                   read(f"{RESOURCE}/{JOB}/<job>"), read("/api/resource/ToDo/<it>", expand_links=1)],
    "print": [post("frappe.www.printview.get_html_and_style", doc=JOB, name="<job>"),
              read(f"/printview?doctype={JOB}&name=<job>&format=Standard"),
              read(f"/api/method/frappe.utils.print_format.download_pdf?doctype={JOB}&name=<job>"),
              read(f"/api/method/frappe.utils.weasyprint.download_pdf?doctype={JOB}&name=<job>&print_format=Standard")],
    # Sealed texts of others in documents of one's own: none may open them
    "a token in a document": [
        post("frappe.www.printview.get_html_and_style", doc=json.dumps({**FORGED, **TOKEN})),
        post("run_doc_method", docs=json.dumps({**FORGED, **TOKEN}), method="add_comment", args='{"text": "x"}'),
        post(f"{DESK}.form.save.savedocs", doc=json.dumps({**FORGED, **TOKEN}), action="Save"),
        post(f"{CLIENT}.save", doc={**FORGED, **TOKEN}),
        post(f"{CLIENT}.insert", doc={**FORGED, **TOKEN}),
    ],
    "a token in an attempt": [
        post("frappe.www.printview.get_html_and_style", doc=json.dumps({
            **FORGED_RUN, "sealed_log_lines": "<token>", "sealed_input_parameters": "<token>",
            "sealed_error_message": "<token>"})),
        post("frappe.www.printview.get_html_and_style", doc=json.dumps({
            **FORGED_RUN, "background_job": "<job>", "sealed_log_lines": "<token>"})),
    ],
    "a token in a schedule": [
        insert(**NEW_SCHEDULE, parameters="<token>"), read(f"{RESOURCE}/{SCHEDULE}/<it>"),
        insert(**NEW_SCHEDULE, sealed_last_error="<token>", last_error_at="2026-01-01"),
        read(f"{RESOURCE}/{SCHEDULE}/<it>"), get("dartwing_core.api.jobs.get_schedule", schedule_id="<it>"),
        insert(**NEW_SCHEDULE),
        post(f"{CLIENT}.set_value", doctype=SCHEDULE, name="<it>", fieldname="sealed_last_error", value="<token>"),
        read(f"{RESOURCE}/{SCHEDULE}/<it>"),
        post("frappe.www.printview.get_html_and_style", doc=json.dumps({
            **NEW_SCHEDULE, "name": "<own_schedule>", "owner_user": "<own_user>", "sealed_last_error": "<token>"})),
    ],
    "a token in a batch": [
        post("frappe.www.printview.get_html_and_style", doc=json.dumps({
            "doctype": BATCH, "name": "<own_batch>", "owner_user": "<own_user>",
            "organization": "<own_organization>", "sealed_cancel_reason": "<token>"})),
    ],
    "a token in parameters": [
        post("dartwing_core.api.jobs.submit_job", job_type=TYPE, organization="<own_organization>",
             parameters={"x": "<token>", "y": {"$secret": "<token>"}, "z": {"__secret__": "<token>"}}),
        get("dartwing_core.api.jobs.list_jobs"),
    ],
    # Files
    "a File for the address": [insert(**OWN_FILE), read("<address>"),
                               get("frappe.core.doctype.file.file.download_file", file_url="<address>"),
                               get("frappe.utils.file_manager.download_file", file_url="<address>"),
                               get("download_file", file_url="<address>"),
                               post("frappe.core.api.file.zip_files", files=json.dumps(["<it>"]))],
    "a File for the path": [insert(**{**OWN_FILE, "file_url": "<address>/../<file>"}), insert(
        **{**OWN_FILE, "file_url": "/private/files/../files/dartwing_core/<job>"}), read("<address>/")],
    "a File of the job": [insert(**OWN_FILE, attached_to_doctype=JOB, attached_to_name="<own_job>"), read("<address>"),
                          post("run_doc_method", dt="File", dn="<it>", method="get_content"),
                          post("run_doc_method", dt="File", dn="<it>", method="optimize_file")],
    "download by its name": [get("dartwing_core.api.jobs.download_file", job_id="<job>", name="<file>"),
                             get("dartwing_core.api.jobs.download_file", job_id="<own_job>", name="../../<job>/<file>"),
                             get("dartwing_core.api.jobs.download_file", job_id="<own_job>/../<job>", name="<file>")],
    # What a batch, a child and a retry could carry over
    "a parent of others": [post("dartwing_core.api.jobs.submit_job", job_type=TYPE, organization="<own_organization>",
                                parameters={"person": "x", "then": "return"}, depends_on="<job>")],
    "a retry with others' parameters": [post("dartwing_core.api.jobs.retry_job", job_id="<dead>",
                                             parameters={"person": "x"})],
}
# fmt: on
