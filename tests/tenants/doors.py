"""The doors of the matrix: ways to ask about work, ours and Frappe's, as a table; and what an answer shows.

A door's request holds placeholders such as `<job>`, which stand for the names of the work that it asks about.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import frappe
import requests

from tests.support.http import Client

from .world import Account, Work

NOTHING, EXISTS, LABEL, CONTENT = range(4)
"""What an answer shows of work, from least to most. NOTHING: as if it did not exist."""
SHOWN = ("nothing", "its existence", "a label", "A CONTENT")
JOB, RUN, LOG, BATCH = "Background Job", "Background Job Run", "Job Execution Log", "Job Batch"
SCHEDULE, CIRCUIT, DEPENDENCY = "Job Schedule", "Job Circuit", "Background Job Dependency"


@dataclass(frozen=True)
class Door:
    """A way to ask. `shows`: what it shows of work that the account may see, NOTHING where that is not its matter."""

    verb: str
    path: str
    arguments: dict[str, Any] = field(default_factory=dict)
    shows: int = CONTENT
    needs_desk: bool = False
    """Whether it shows something only to roles that read our DocTypes."""
    for_admins: bool = False
    """Whether it shows something only to admins of the organization."""
    for_manager: bool = False
    """Whether it shows something only to System Managers."""
    keeps_own: bool = False
    """Whether it shows an account what was its own, as a notice that has come."""
    is_list: bool = False
    """Whether the answer is about all that the account may see. It is judged by words and names alone."""

    def ask(self, client: Client, work: Work) -> requests.Response:
        """The answer about this work."""
        path, arguments = work.filled(self.path), work.filled(self.arguments)
        if self.verb != "GET":
            return client.http.request(self.verb, client.url + path, json=arguments, timeout=60)
        params = {key: value if isinstance(value, str) else json.dumps(value) for key, value in arguments.items()}
        return client.http.get(client.url + path, params=params, timeout=60)

    @property
    def is_of_organization(self) -> bool:
        """Whether it asks about an organization, and a member's colleague has the same."""
        return "<organization>" in f"{self.path}{self.arguments}" and not self.is_list

    def is_open(self, account: Account, relation: str) -> bool:
        """Whether the account sees such work by this door."""
        if (self.needs_desk and not account.has_desk) or (self.for_manager and not account.is_manager):
            return False
        return relation in (account.administers if self.for_admins else account.sees)


def seen(door: Door, answer: requests.Response, work: Work, missing: requests.Response, none: Work) -> int:
    """What the answer shows of the work. `missing`: the answer of the same door about none."""
    told = answer.text
    if work.words("hush", told):
        return CONTENT
    if work.words("tell", told) - work.words("tell", json.dumps(work.filled(door.arguments))):
        return LABEL
    if door.is_list:
        return LABEL if any(name in told for key, name in work.names.items() if key in NAMES) else NOTHING
    return EXISTS if plain(answer, work) != plain(missing, none) else NOTHING


NAMES = ("job", "private", "dead", "waiting", "canceled", "batch", "schedule", "circuit", "run", "log")


def plain(answer: requests.Response, work: Work) -> tuple[int, str]:
    """An answer without what differs between any two: the names asked for, ids of errors, times."""
    text = re.sub(r"test_t_\w+@example.com", "$user", answer.text)
    for name in sorted(work.names.values(), key=len, reverse=True):
        text = text.replace(name, "$").replace(frappe.scrub(name), "$")
    text = re.sub(r'\\*"__\w+_exc_id\\*": ?\\*"\w+\\*"', "", text)
    text = re.sub(r'"name":"[0-9a-z]{10}"', "", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d+:Z]*", "$time", text)
    return answer.status_code, re.sub(r"[0-9a-f]{32,}", "", text)


def difference(one: requests.Response, work: Work, other: requests.Response, none: Work) -> str:
    """Where two answers begin to differ."""
    (code, text), (other_code, other_text) = plain(one, work), plain(other, none)
    same = next((n for n, pair in enumerate(zip(text, other_text, strict=False)) if pair[0] != pair[1]), 0)
    begin = max(same - 60, 0)
    return f"{code} …{text[begin : same + 300]} | {other_code} …{other_text[begin : same + 200]}"


# Ours ----------------------------------------------------------------------------------------------------------------

OURS = "/api/method/dartwing_core.api.jobs."


def ours(name: str, shows: int = CONTENT, /, **arguments: Any) -> Door:
    """An endpoint about one job, batch or schedule."""
    return Door("GET", OURS + name, arguments, shows)


def ours_of_all(name: str, shows: int = LABEL, /, **arguments: Any) -> Door:
    """An endpoint about all that one may see."""
    return Door("GET", OURS + name, arguments, shows, is_list=True, for_admins=name == "get_open_circuits")


def figures(name: str, /, **arguments: Any) -> Door:
    """An endpoint that counts the jobs of an organization. See test_figures, too."""
    return Door("GET", OURS + name, arguments, EXISTS)


# fmt: off
READS = {
    "get_job_status": ours("get_job_status", job_id="<job>"),
    "get_job_status of a failed one": ours("get_job_status", job_id="<dead>"),
    "get_job_history": ours("get_job_history", LABEL, job_id="<dead>"),
    "get_job_history of a canceled one": ours("get_job_history", job_id="<canceled>"),
    "get_job_details": ours("get_job_details", job_id="<job>"),
    "get_job_details of a failed one": ours("get_job_details", job_id="<dead>"),
    "wait_for_job": ours("wait_for_job", job_id="<job>", seconds=1),
    "get_batch_status": ours("get_batch_status", LABEL, batch_id="<batch>"),
    "get_schedule": ours("get_schedule", schedule_id="<schedule>"),
    "list_jobs": ours_of_all("list_jobs", CONTENT, limit=100),
    "list_jobs of a batch": ours("list_jobs", LABEL, batch="<batch>"),
    "list_jobs of a schedule": ours("list_jobs", NOTHING, schedule="<schedule>"),
    "list_jobs of an owner": ours("list_jobs", LABEL, owner_user="<user>"),
    "list_jobs of an organization": ours_of_all("list_jobs", CONTENT, organization="<organization>", limit=100),
    "get_dead_letter_jobs": ours_of_all("get_dead_letter_jobs", limit=100),
    "list_batches": ours_of_all("list_batches", limit=100),
    "list_schedules": ours_of_all("list_schedules", limit=100),
    "get_slowest_jobs": ours_of_all("get_slowest_jobs", limit=100),
    "get_open_circuits": ours_of_all("get_open_circuits"),
    "get_job_counts": figures("get_job_counts", organization="<organization>"),
    "get_job_metrics": figures("get_job_metrics", organization="<organization>"),
    "get_execution_time_stats": figures("get_execution_time_stats", organization="<organization>"),
    "get_job_type_overview": ours_of_all("get_job_type_overview", NOTHING, job_type="test_tenants"),
    "list_job_types": ours_of_all("list_job_types", NOTHING),
    "list_job_types of an organization": ours("list_job_types", NOTHING, organization="<organization>"),
    "get_openapi": ours_of_all("get_openapi", NOTHING),
    "preview_schedule": ours("preview_schedule", NOTHING, cron="0 7 * * *"),
    "download_file": ours("download_file", job_id="<job>", name="<file>"),
    "the original's name": Door(
        "GET", "/api/method/dartwing.dartwing_core.api.jobs.get_job_status", {"job_id": "<job>"}
    ),
    "job center": Door("GET", "/job-center", {}, NOTHING, is_list=True),
    "chart": Door("GET", "/api/method/dartwing_core.api.desk.get_chart",
                  {"chart_name": "Failed Background Jobs by Type"}, NOTHING, is_list=True),
    "live_progress": Door("POST", "/api/method/dartwing_core.api.desk.live_progress", {"job_ids": ["<job>"]}, NOTHING),
}
"""Our endpoints that change nothing. Those of the registry by their names."""


# Frappe's ------------------------------------------------------------------------------------------------------------

def get(method: str, shows: int = LABEL, /, **arguments: Any) -> Door:
    """A GET of a function of Frappe's."""
    return Door("GET", f"/api/method/frappe.{method}", arguments, shows, needs_desk=True)


def post(method: str, shows: int = LABEL, /, **arguments: Any) -> Door:
    """A POST to a function of Frappe's."""
    return Door("POST", f"/api/method/frappe.{method}", arguments, shows, needs_desk=True)


def page(path: str, shows: int = CONTENT, /, **arguments: Any) -> Door:
    """A page, or a resource of REST."""
    return Door("GET", path, arguments, shows, needs_desk=True)


def managers(door: Door) -> Door:
    """The same, of use for System Managers alone."""
    return Door(door.verb, door.path, door.arguments, door.shows, needs_desk=True, for_manager=True)


def admins(door: Door) -> Door:
    """The same, of use for admins of the organization alone."""
    return Door(door.verb, door.path, door.arguments, door.shows, needs_desk=True, for_admins=True)


def keeping(door: Door) -> Door:
    """The same, showing one's own for ever."""
    return Door(door.verb, door.path, door.arguments, door.shows, True, keeps_own=True, is_list=door.is_list)


def all_of(method: str, shows: int = NOTHING, /, **arguments: Any) -> Door:
    """A GET of a function of Frappe's, about all that one may see."""
    return Door("GET", f"/api/method/frappe.{method}", arguments, shows, needs_desk=True, is_list=True)


def by_name(doctype: str, name: str) -> list[list[str]]:
    """The filter for one row."""
    return [[doctype, "name", "=", name]]


ONE, TEXTS = by_name(JOB, "<dead>"), ["name", "job_title", "progress_message", "error_message"]
CLIENT, DESK, LOAD = "client", "desk", "desk.form.load"
DOC = {"doctype": JOB, "name": "<dead>"}
CHART = {"name": "x", "document_type": JOB, "based_on": "creation", "value_based_on": "", "group_by_type": "Count"}

FRAPPES = {
    # REST
    "REST": page(f"/api/resource/{JOB}/<job>"),
    "REST of a failed one": page(f"/api/resource/{JOB}/<dead>"),
    "REST of an attempt": page(f"/api/resource/{RUN}/<deadrun>"),
    "REST of an event": page(f"/api/resource/{LOG}/<log>", LABEL),
    "REST of a batch": page(f"/api/resource/{BATCH}/<batch>", LABEL),
    "REST of a schedule": page(f"/api/resource/{SCHEDULE}/<schedule>"),
    "REST of a circuit": admins(page(f"/api/resource/{CIRCUIT}/<circuit>", EXISTS)),
    "REST of an organization": page("/api/resource/Organization/<organization>", EXISTS),
    "REST with links": page(f"/api/resource/{JOB}/<job>", CONTENT, expand_links=1),
    "REST list": page(f"/api/resource/{JOB}", LABEL, filters=ONE, fields=TEXTS),
    "REST list of attempts": page(f"/api/resource/{RUN}", LABEL, filters=[[RUN, "background_job", "=", "<dead>"]],
                                  fields=["name", "error_message", "progress_message"]),
    "REST list of schedules": page(f"/api/resource/{SCHEDULE}", LABEL, filters=by_name(SCHEDULE, "<schedule>"),
                                   fields=["title"]),
    "REST 2": page(f"/api/v2/document/{JOB}/<job>"),
    "REST 2 list": page(f"/api/v2/document/{JOB}", LABEL, filters=ONE, fields=TEXTS),
    "REST 2 count": page(f"/api/v2/doctype/{JOB}/count", EXISTS, filters=ONE),
    # frappe.client
    "get": get(f"{CLIENT}.get", CONTENT, doctype=JOB, name="<job>"),
    "get by filter": get(f"{CLIENT}.get", NOTHING, doctype=JOB, filters={"name": "<job>"}),
    "get_value": get(f"{CLIENT}.get_value", doctype=JOB, fieldname="error_message", filters={"name": "<dead>"}),
    "get_list": get(f"{CLIENT}.get_list", doctype=JOB, filters={"name": "<dead>"}, fields=TEXTS),
    "get_count": get(f"{CLIENT}.get_count", EXISTS, doctype=JOB, filters={"name": "<dead>"}),
    "get_count of events": get(f"{CLIENT}.get_count", EXISTS, doctype=LOG, filters={"background_job": "<dead>"}),
    "get_count of batches": get(f"{CLIENT}.get_count", EXISTS, doctype=BATCH, filters={"name": "<batch>"}),
    "get_count of members": keeping(get(f"{CLIENT}.get_count", NOTHING, doctype="Org Member",
                                        filters={"user": "<user>"})),
    "get_count of organizations": get(f"{CLIENT}.get_count", EXISTS, doctype="Organization",
                                      filters={"name": "<organization>"}),
    "has_permission": get(f"{CLIENT}.has_permission", EXISTS, doctype=JOB, docname="<job>", perm_type="read"),
    "get_doc_permissions": get(f"{CLIENT}.get_doc_permissions", EXISTS, doctype=JOB, docname="<job>"),
    "validate_link": get(f"{CLIENT}.validate_link", doctype=JOB, docname="<dead>", fields=["error_message"]),
    # Lists and reports
    "list": get(f"{DESK}.reportview.get", doctype=JOB, filters=ONE, fields=TEXTS),
    "list grouped": get(f"{DESK}.reportview.get", doctype=JOB, filters=ONE, fields=["status", "error_message"],
                        group_by="`tabBackground Job`.`status`"),
    "list of events": get(f"{DESK}.reportview.get", doctype=LOG, fields=["message"],
                          filters=[[LOG, "background_job", "=", "<dead>"]]),
    "list of batches": get(f"{DESK}.reportview.get", doctype=BATCH, fields=["description"],
                           filters=by_name(BATCH, "<batch>")),
    "list count": get(f"{DESK}.reportview.get_count", EXISTS, doctype=JOB, filters=ONE, fields=[]),
    "list count with a limit": get(f"{DESK}.reportview.get_count", EXISTS, doctype=JOB, filters=ONE, fields=[],
                                   limit=1001),
    "list stats": get(f"{DESK}.reportview.get_stats", NOTHING, doctype=JOB, filters=ONE, stats=["error_message"]),
    "list sidebar": get(f"{DESK}.listview.get_group_by_count", EXISTS, doctype=JOB, current_filters=ONE,
                        field="owner_user"),
    "export": managers(get(
        f"{DESK}.reportview.export_query", doctype=JOB, filters=ONE, file_format_type="CSV", title="x",
        fields=[f"`tab{JOB}`.`{one}`" for one in TEXTS], csv_quoting="0", csv_delimiter=",",
    )),
    "data export": managers(post(
        "core.doctype.data_export.exporter.export_data", doctype=JOB, with_data=1, file_type="CSV",
        filters=json.dumps({"name": "<dead>"}), select_columns=json.dumps({JOB: ["name", "error_message"]}),
        export_without_column_meta="true", template="false",
    )),
    "own report": all_of("desk.query_report.run", LABEL, report_name="Dead Letters by Error"),
    "number card": get(f"{DESK}.doctype.number_card.number_card.get_result", EXISTS, filters=ONE,
                       doc={"document_type": JOB, "function": "Count"}),
    "group by chart": get(f"{DESK}.doctype.dashboard_chart.dashboard_chart.get", NOTHING, filters=ONE,
                          chart={**CHART, "chart_type": "Group By", "group_by_based_on": "error_message"}),
    # Links and searches
    "link search": post(f"{DESK}.search.search_link", EXISTS, doctype=JOB, txt="<dead>"),
    "link search past permissions": post(f"{DESK}.search.search_link", EXISTS, doctype=JOB, txt="<dead>",
                                         ignore_user_permissions=1),
    "link search of schedules": post(f"{DESK}.search.search_link", EXISTS, doctype=SCHEDULE, txt="<schedule>"),
    "link search of organizations": post(f"{DESK}.search.search_link", EXISTS, doctype="Organization",
                                         txt="<organization>", ignore_user_permissions=1),
    "search box past permissions": post(f"{DESK}.search.search_widget", EXISTS, doctype=JOB, txt="<dead>",
                                        ignore_user_permissions=1),
    "search of a field": post(f"{DESK}.search.search_widget", NOTHING, doctype=JOB, txt="<dead>", searchfield="name",
                              filter_fields=["error_message"]),
    "link title": post(f"{DESK}.search.get_link_title", NOTHING, doctype=SCHEDULE, docname="<schedule>"),
    "link title of an organization": post(f"{DESK}.search.get_link_title", NOTHING, doctype="Organization",
                                          docname="<organization>"),
    "link preview": get(f"{DESK}.link_preview.get_preview_data", NOTHING, doctype=SCHEDULE, docname="<schedule>"),
    "global search": get("utils.global_search.search", NOTHING, text="<title>"),
    # Forms
    "form": get(f"{LOAD}.getdoc", CONTENT, doctype=JOB, name="<job>"),
    "form of an attempt": get(f"{LOAD}.getdoc", CONTENT, doctype=RUN, name="<deadrun>"),
    "form of a batch": get(f"{LOAD}.getdoc", doctype=BATCH, name="<batch>"),
    "form of a schedule": get(f"{LOAD}.getdoc", CONTENT, doctype=SCHEDULE, name="<schedule>"),
    "timeline": get(f"{LOAD}.get_docinfo", NOTHING, doctype=JOB, name="<job>"),
    "linked with": managers(get(f"{DESK}.form.linked_with.get", NOTHING, doctype=JOB, docname="<dead>")),
    "next": all_of("desk.form.utils.get_next", doctype=JOB, value="<dead>", prev="1", sort_field="progress_message"),
    "open count": managers(get(f"{DESK}.notifications.get_open_count", NOTHING, doctype=JOB, name="<job>",
                               items=[LOG])),
    "versions": get(f"{CLIENT}.get_list", NOTHING, doctype="Version", filters={"docname": "<schedule>"},
                    fields=["data"]),
    "notices": keeping(all_of("desk.doctype.notification_log.notification_log.get_notification_logs", limit=100)),
    "print": post("www.printview.get_html_and_style", NOTHING, doc=JOB, name="<job>"),
    "print page": page(f"/printview?doctype={JOB}&name=<job>", NOTHING),
    "print of a schedule": page(f"/printview?doctype={SCHEDULE}&name=<schedule>", NOTHING),
    "PDF": get("utils.print_format.download_pdf", NOTHING, doctype=JOB, name="<job>"),
    # Rooms of realtime
    "room": get("realtime.can_subscribe_doc", EXISTS, doctype=JOB, docname="<job>"),
    "room of a batch": get("realtime.can_subscribe_doc", EXISTS, doctype=BATCH, docname="<batch>"),
    "room of later Frappe": get("realtime.has_permission", EXISTS, doctype=JOB, name="<job>"),
    # Files
    "files": get(f"{CLIENT}.get_list", NOTHING, doctype="File", filters={"attached_to_name": "<job>"},
                 fields=["file_name", "file_url"]),
    "file by address": page("<address>", NOTHING),
    "file by function": get("utils.file_manager.download_file", NOTHING, file_url="<address>"),
    # Who belongs to whom
    "members": keeping(get(f"{CLIENT}.get_list", NOTHING, doctype="Org Member", filters={"user": "<user>"},
                           fields=["user"])),
    "organization": get(f"{CLIENT}.get_value", EXISTS, doctype="Organization", fieldname="status",
                        filters={"name": "<organization>"}),
}
"""Frappe's own doors."""
# fmt: on
DOORS = {**READS, **FRAPPES}
