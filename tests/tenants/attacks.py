"""Ways to get at contents that are for somebody else, as a table. Each is tried with all that an attacker may know.

An attack is a list of requests, made one after the other. `<it>` is the name of the document that the request before
it has made, `<own:job>` that of the attacker's own job.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import frappe
import requests

from tests.support.http import Client

from .doors import BATCH, JOB, LOG, RUN, SCHEDULE
from .world import TYPE, Work

DOCTYPES = (JOB, RUN, LOG, BATCH, SCHEDULE)
"""Those with contents."""
CLIENT, DESK, RESOURCE = "frappe.client", "frappe.desk", "/api/resource"


@dataclass(frozen=True)
class Request:
    """One request of an attack. `body`: JSON, or the parameters of a GET."""

    verb: str
    path: str
    body: dict[str, Any]


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
        body, path = known.filled(request.body), known.filled(request.path)
        if request.verb == "GET":
            body = {key: value if isinstance(value, str) else json.dumps(value) for key, value in body.items()}
            answer = client.http.get(client.url + path, params=body, timeout=60)
        else:
            answer = client.http.request(request.verb, client.url + path, json=body, timeout=60)
        known.names["it"] = _made(answer)
        yield answer


def _made(answer: requests.Response) -> str:
    try:
        told = answer.json()
        made = told.get("message") or told.get("data") or (told.get("docs") or [{}])[0]
        return str(made.get("name") if isinstance(made, dict) else made)
    except (ValueError, AttributeError, IndexError):
        return "nothing"


SUB_QUERY = "(select group_concat(sealed_result, input_parameters) from `tabBackground Job`)"
FORGED = {"doctype": JOB, "name": "<own_job>", "owner_user": "<own_user>", "organization": "<own_organization>"}
TOKEN = {"sealed_result": "<token>", "sealed_output_reference": "<token>", "sealed_input_parameters": "<token>"}
FORGED_RUN = {"doctype": RUN, "name": "<own_run>", "background_job": "<own_job>", "attempt": 1}
NEW_SCHEDULE = {"doctype": SCHEDULE, "title": "x", "organization": "<own_organization>", "job_type": TYPE,
                "frequency": "Cron", "cron": "0 7 * * *", "time_zone": "UTC"}  # fmt: skip
GOAL = {"title": "x", "doctype": JOB, "docname": "<job>", "goal_value_field": "sealed_result",
        "goal_total_field": "result", "goal_history_field": "input_parameters", "goal_doctype": JOB,
        "goal_doctype_link": "name", "goal_field": "sealed_result", "date_field": "creation",
        "aggregation": "max"}  # fmt: skip
REPORT = {"doctype": "Report", "report_name": "x-<job>", "ref_doctype": JOB, "is_standard": "No"}
REPORT_NAME = "Dead Letters by Error"
MAILED = {"doctype": "Auto Email Report", "report": REPORT_NAME, "report_type": "Script Report", "user": "<own_user>",
          "enabled": 1, "email_to": "<own_user>", "format": "CSV", "frequency": "Daily"}  # fmt: skip
OWN_FILE = {"doctype": "File", "file_name": "x.txt", "file_url": "<address>", "is_private": 1}

# fmt: off
ATTACKS: dict[str, list[Request]] = {
    # What lists are asked for
    "sealed columns": [get(f"{CLIENT}.get_list", doctype=JOB, fields=["*", "sealed_result"]),
                       read(f"{RESOURCE}/{JOB}", fields=["name", "sealed_result", "sealed_input_parameters"])],
    "virtual fields": [get(f"{CLIENT}.get_list", doctype=JOB, fields=["name", "result", "input_parameters"]),
                       get(f"{CLIENT}.get_value", doctype=JOB, fieldname=["result"], filters={"name": "<job>"}),
                       get(f"{CLIENT}.get_value", doctype=RUN, fieldname=["traceback"], filters={"name": "<deadrun>"})],
    "SQL in fields": [get(f"{DESK}.reportview.get", doctype=JOB, fields=[f"{SUB_QUERY} as x"]),
                      get(f"{CLIENT}.get_list", doctype="ToDo", fields=[f"{SUB_QUERY} as x"]),
                      get(f"{CLIENT}.get_list", doctype=JOB, fields=["max(sealed_result) as x"]),
                      get(f"{CLIENT}.get_list", doctype=JOB, fields=[{"MAX": "sealed_result", "as": "x"}])],
    "SQL in the order": [get(f"{CLIENT}.get_list", doctype=JOB, fields=["name"], order_by=f"{SUB_QUERY} asc"),
                         get(f"{DESK}.reportview.get", doctype=JOB, fields=["name"], order_by="sealed_result desc")],
    "SQL in groups": [get(f"{DESK}.reportview.get", doctype=JOB, fields=["sealed_result"], group_by="sealed_result"),
                      get(f"{CLIENT}.get_list", doctype=JOB, fields=["name"], group_by=SUB_QUERY)],
    "fields of links": [get(f"{CLIENT}.get_list", doctype=RUN, fields=["background_job.result",
                                                                       "background_job.sealed_result"]),
                        get(f"{CLIENT}.get_list", doctype=RUN, fields=["background_job.input_parameters as x"]),
                        read(f"{RESOURCE}/{RUN}/<own_run>", expand_links=1)],
    "fetched by links": [post(f"{CLIENT}.validate_link", doctype=JOB, docname="<job>", fields=["result"]),
                         post(f"{CLIENT}.validate_link", doctype=JOB, docname="<job>", fields=["sealed_result"]),
                         post(f"{CLIENT}.validate_link_and_fetch", doctype=JOB, docname="<job>",
                              fields_to_fetch=["result"])],
    "searches of a chosen field": [post(f"{DESK}.search.search_widget", doctype=JOB, txt="hush", searchfield=one,
                                        filter_fields=["sealed_result"], ignore_user_permissions=1)
                                   for one in ("sealed_result", "result", "input_parameters", "error_message")],
    "workflow counts": [get("frappe.workflow.doctype.workflow.workflow.get_workflow_state_count", doctype=JOB,
                            workflow_state_field=one, states=["x"]) for one in ("sealed_result", "error_message")],
    "goals": [get("frappe.utils.goal.get_monthly_goal_graph_data", **GOAL)],
    "sidebar groups": [get(f"{DESK}.listview.get_group_by_count", doctype=JOB, current_filters=[], field=one)
                       for one in ("sealed_result", "result")],
    "stats": [get(f"{DESK}.reportview.get_stats", doctype=JOB, stats=["sealed_result", "result"])],
    "charts": [get(f"{DESK}.doctype.dashboard_chart.dashboard_chart.get", chart={
        "name": "x", "document_type": JOB, "chart_type": "Group By", "group_by_type": "Count",
        "group_by_based_on": one}) for one in ("sealed_result", "input_parameters")],
    "cards": [get(f"{DESK}.doctype.number_card.number_card.get_result", filters=[[JOB, "result", "like", "%hush%"]],
                  doc={"document_type": JOB, "function": "Max", "aggregate_function_based_on": "sealed_result"})],
    # Exports, reports, mails
    "export": [get(f"{DESK}.reportview.export_query", doctype=JOB, file_format_type="CSV", title="x",
                   fields=["`tabBackground Job`.`sealed_result`", "`tabBackground Job`.`result`"])],
    "data export": [post("frappe.core.doctype.data_export.exporter.export_data", doctype=JOB, with_data=1,
                         file_type="CSV", select_columns=json.dumps({JOB: ["name", "result", "input_parameters"]}))],
    "import template": [post("frappe.core.doctype.data_import.data_import.download_template", doctype=JOB,
                             export_records="all", export_fields=json.dumps({JOB: ["name", "result"]}))],
    "own report": [insert(**REPORT, report_type="Report Builder", json=json.dumps({"fields": [["result", JOB]]})),
                   get(f"{DESK}.query_report.run", report_name="x-<job>")],
    "query report": [insert(**REPORT, report_type="Query Report", query="select * from `tabBackground Job`"),
                     get(f"{DESK}.query_report.run", report_name="x-<job>")],
    "saved list": [post(f"{DESK}.reportview.save_report", name="x-<job>", doctype=JOB, report_settings=json.dumps(
        {"fields": [["result", JOB], ["sealed_result", JOB]]})), get(f"{DESK}.query_report.run", report_name="<it>")],
    "prepared report": [post("frappe.core.doctype.prepared_report.prepared_report.make_prepared_report",
                             report_name=REPORT_NAME, filters="{}"),
                        read(f"{RESOURCE}/Prepared Report"), read(f"{RESOURCE}/Prepared Report/<it>"),
                        get(f"{DESK}.query_report.background_enqueue_run", report_name=REPORT_NAME)],
    "report for others": [get(f"{DESK}.query_report.run", report_name=REPORT_NAME, user="Administrator"),
                          get(f"{DESK}.query_report.run", report_name=REPORT_NAME, are_default_filters=0,
                              filters={"organization": "<organization>"}),
                          get(f"{DESK}.query_report.export_query", report_name=REPORT_NAME, file_format_type="CSV")],
    "mailed report": [insert(**MAILED),
                      get("frappe.email.doctype.auto_email_report.auto_email_report.download", name="<it>"),
                      post("frappe.email.doctype.auto_email_report.auto_email_report.send_now", name="<it>")],
    "mail": [post("frappe.core.doctype.communication.email.make", doctype=JOB, name="<job>", content="x", subject="x",
                  recipients="x@example.com", print_html="", attach_document_print=True, send_email=0),
             read(f"{RESOURCE}/Communication/<it>")],
    # What is kept elsewhere
    "deleted documents": [read(f"{RESOURCE}/Deleted Document", fields=["data"]),
                          get(f"{CLIENT}.get_list", doctype="Deleted Document", fields=["data"]),
                          post("frappe.core.doctype.deleted_document.deleted_document.restore", name="<job>")],
    "versions": [read(f"{RESOURCE}/Version", fields=["data"]),
                 get(f"{CLIENT}.get_list", doctype="Version", fields=["data", "docname"])],
    "global search": [get("frappe.utils.global_search.search", text="hush"),
                      get("frappe.utils.global_search.web_search", text="hush")],
    "kanban": [post(f"{DESK}.doctype.kanban_board.kanban_board.quick_kanban_board", doctype=JOB, board_name="x-<job>",
                    field_name="status"),
               post(f"{DESK}.doctype.kanban_board.kanban_board.save_settings", board_name="x-<job>",
                    settings=json.dumps({"fields": json.dumps(["result", "sealed_result"])})),
               get(f"{DESK}.doctype.kanban_board.kanban_board.get_kanban_boards", doctype=JOB),
               read(f"{RESOURCE}/Kanban Board/x-<job>")],
    "calendar": [get(f"{DESK}.calendar.get_events", doctype=JOB, start="2000-01-01", end="2099-01-01", filters="[]",
                     field_map={"start": "creation", "end": "modified", "title": "sealed_result"}, fields=["result"])],
    "tree": [get(f"{DESK}.treeview.get_children", doctype=JOB, parent="")],
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
        post("frappe.www.printview.get_rendered_raw_commands", doc=json.dumps({**FORGED, **TOKEN})),
        post("run_doc_method", docs=json.dumps({**FORGED, **TOKEN}), method="add_comment", args='{"text": "x"}'),
        post("frappe.model.workflow.get_transitions", doc=json.dumps({**FORGED, **TOKEN})),
        post(f"{DESK}.form.save.savedocs", doc=json.dumps({**FORGED, **TOKEN}), action="Save"),
        post(f"{CLIENT}.save", doc={**FORGED, **TOKEN}),
        post(f"{CLIENT}.insert", doc={**FORGED, **TOKEN}),
    ],
    "a token in the flags": [
        post("frappe.www.printview.get_html_and_style", doc=json.dumps(
            {**FORGED, "flags": {"sealed": TOKEN}, "__dict__": TOKEN})),
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
    "an import of the file": [insert(doctype="Data Import", reference_doctype="ToDo",
                                     import_type="Insert New Records", import_file="<address>"),
                              get("frappe.core.doctype.data_import.data_import.get_preview_from_template",
                                  data_import="<it>", import_file="<address>")],
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


def columns() -> Iterator[tuple[str, str]]:
    """Each stored column and each field of our DocTypes."""
    for doctype in DOCTYPES:
        meta = frappe.get_meta(doctype)
        fields = {one.fieldname for one in meta.fields if not one.fieldtype.endswith("Break")}
        yield from ((doctype, one) for one in sorted({*meta.get_valid_columns(), *fields}))
