"""The doors of the matrix: ways to ask about work, ours and Frappe's, as a table; and what an answer shows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import frappe
import requests
from frappe import realtime

from .world import Account, Request, Work

NOTHING, EXISTS, LABEL, CONTENT = range(4)
"""What an answer shows of work, from least to most. NOTHING: as if it did not exist."""
SHOWN = ("nothing", "its existence", "a label", "A CONTENT")
JOB, RUN, LOG, BATCH = "Background Job", "Background Job Run", "Job Execution Log", "Job Batch"
SCHEDULE, CIRCUIT, DEPENDENCY = "Job Schedule", "Job Circuit", "Background Job Dependency"


@dataclass(frozen=True)
class Door(Request):
    """A way to ask. `shows`: what it shows of work that the account may see, NOTHING where that is not its matter."""

    shows: int = CONTENT
    needs_desk: bool = False
    """Whether it shows something only to roles that read our DocTypes."""
    for_admins: bool = False
    """Whether it shows something only to admins of the organization."""
    keeps_own: bool = False
    """Whether it shows an account what was its own, as a notice that has come."""
    is_list: bool = False
    """Whether the answer is about all that the account may see. It is judged by words and names alone."""

    @property
    def is_of_organization(self) -> bool:
        """Whether it asks about an organization, and a member's colleague has the same."""
        return "<organization>" in f"{self.path}{self.arguments}" and not self.is_list

    def is_open(self, account: Account, relation: str) -> bool:
        """Whether the account sees such work by this door."""
        if self.needs_desk and not account.has_desk:
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
    "get_holdups": ours_of_all("get_holdups", NOTHING),
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


# Frappe's, which ask our hooks and controllers -----------------------------------------------------------------------

def get(method: str, shows: int = LABEL, /, **arguments: Any) -> Door:
    """A GET of a function of Frappe's."""
    return Door("GET", f"/api/method/frappe.{method}", arguments, shows, needs_desk=True)


def resource(path: str, shows: int = CONTENT, /, **more: Any) -> Door:
    """A resource of REST."""
    return Door("GET", f"/api/resource/{path}", more.pop("arguments", {}), shows, needs_desk=True, **more)


def listed(doctype: str, column: str, of: str, *fields: str) -> Door:
    """A list of REST."""
    return resource(doctype, LABEL, arguments={"filters": [[doctype, column, "=", of]], "fields": ["name", *fields]})


ONE, TEXTS = [[JOB, "name", "=", "<dead>"]], ["name", "job_title", "progress_message", "error_message"]
IS_OLD = hasattr(realtime, "can_subscribe_doc")
ROOM, NAME = ("can_subscribe_doc", "docname") if IS_OLD else ("has_permission", "name")
CLIENT, VIEW, LOAD, SEARCH = "client", "desk.reportview", "desk.form.load", "desk.search.search_link"

FRAPPES = {
    "REST": resource(f"{JOB}/<job>"),
    "REST of a failed one": resource(f"{JOB}/<dead>"),
    "REST of an attempt": resource(f"{RUN}/<deadrun>"),
    "REST of an event": resource(f"{LOG}/<log>", LABEL),
    "REST of a batch": resource(f"{BATCH}/<batch>", LABEL),
    "REST of a schedule": resource(f"{SCHEDULE}/<schedule>"),
    "REST of a circuit": resource(f"{CIRCUIT}/<circuit>", EXISTS, for_admins=True),
    "REST of an organization": resource("Organization/<organization>", EXISTS),
    "REST list": listed(JOB, "name", "<dead>", *TEXTS),
    "REST list of attempts": listed(RUN, "background_job", "<dead>", "error_message", "progress_message"),
    "REST list of events": listed(LOG, "background_job", "<dead>", "message"),
    "REST list of batches": listed(BATCH, "name", "<batch>", "description"),
    "REST list of schedules": listed(SCHEDULE, "name", "<schedule>", "title"),
    "REST list of members": Door("GET", "/api/resource/Org Member", {
        "filters": {"user": "<user>"}, "fields": ["user"]}, NOTHING, needs_desk=True, keeps_own=True),
    "get": get(f"{CLIENT}.get", CONTENT, doctype=JOB, name="<job>"),
    "get by filter": get(f"{CLIENT}.get", NOTHING, doctype=JOB, filters={"name": "<job>"}),
    "get_value": get(f"{CLIENT}.get_value", doctype=JOB, fieldname="error_message", filters={"name": "<dead>"}),
    "get_value of an organization": get(f"{CLIENT}.get_value", EXISTS, doctype="Organization", fieldname="status",
                                        filters={"name": "<organization>"}),
    "has_permission": get(f"{CLIENT}.has_permission", EXISTS, doctype=JOB, docname="<job>", perm_type="read"),
    "list": get(f"{VIEW}.get", doctype=JOB, filters=ONE, fields=TEXTS),
    "list grouped": get(f"{VIEW}.get", doctype=JOB, filters=ONE, fields=["status", "error_message"],
                        group_by="`tabBackground Job`.`status`"),
    "list count": get(f"{VIEW}.get_count", EXISTS, doctype=JOB, filters=ONE, fields=[]),
    "own report": Door("GET", "/api/method/frappe.desk.query_report.run", {"report_name": "Failed Jobs by Error"},
                       LABEL, needs_desk=True, is_list=True),
    "link search": get(SEARCH, EXISTS, doctype=JOB, txt="<dead>"),
    "link search of schedules": get(SEARCH, EXISTS, doctype=SCHEDULE, txt="<schedule>"),
    "form": get(f"{LOAD}.getdoc", CONTENT, doctype=JOB, name="<job>"),
    "form of an attempt": get(f"{LOAD}.getdoc", CONTENT, doctype=RUN, name="<deadrun>"),
    "form of a batch": get(f"{LOAD}.getdoc", doctype=BATCH, name="<batch>"),
    "form of a schedule": get(f"{LOAD}.getdoc", CONTENT, doctype=SCHEDULE, name="<schedule>"),
    "notices": Door("GET", "/api/method/frappe.desk.doctype.notification_log.notification_log.get_notification_logs",
                    {"limit": 100}, NOTHING, needs_desk=True, keeps_own=True, is_list=True),
    "room": get(f"realtime.{ROOM}", EXISTS, doctype=JOB, **{NAME: "<job>"}),
    "room of a batch": get(f"realtime.{ROOM}", EXISTS, doctype=BATCH, **{NAME: "<batch>"}),
    "file by address": Door("GET", "<address>", {}, NOTHING),
}
"""One for each way in which Frappe asks whose something is."""
# fmt: on
DOORS = {**READS, **FRAPPES}
