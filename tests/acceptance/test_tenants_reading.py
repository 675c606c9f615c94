"""The matrix of reading: every kind of user × every path × every job. Nobody learns of a job that is not theirs
or counts it (regressions 1, 2, 10, 11, 12), and what may not be seen answers as what is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import frappe
import pytest
import requests

from tests.support import tenants
from tests.support.http import Client
from tests.support.tenants import ACTORS, TARGETS, Target

pytestmark = pytest.mark.usefixtures("fresh_limits")

JOB, RUN, LOG = "Background Job", "Background Job Run", "Job Execution Log"
BATCH, DEPENDENCY = "Job Batch", "Background Job Dependency"
Call = Callable[[Client, Target], requests.Response]


@dataclass(frozen=True)
class Path:
    """A way to read a job. `shows`: whether an answer shows it."""

    call: Call
    shows: Callable[[requests.Response, Target], bool]
    needs_desk: bool = True
    only_manager: bool = False
    """Only System Managers have the rights for it."""
    is_mute: bool = False
    """Shows nothing of a job to anybody; only has to keep silent about others'."""
    is_uniform: bool = True
    """Hidden and missing answer the same; not where the answer holds other jobs too."""


def method(name: str, /, **arguments: object) -> Call:
    """A GET of a whitelisted function; "$" in a value stands for the job's id."""

    def call(client: Client, target: Target) -> requests.Response:
        params = {
            key: (value if isinstance(value, str) else json.dumps(value)).replace("$", target.name)
            for key, value in arguments.items()
        }
        return client.http.get(f"{client.url}/api/method/{name}", params=params, timeout=60)

    return call


def posted(name: str, /, **arguments: object) -> Call:
    def call(client: Client, target: Target) -> requests.Response:
        body = json.loads(json.dumps(arguments).replace("$", target.name))
        return client.http.post(f"{client.url}/api/method/{name}", json=body, timeout=60)

    return call


def url(path: str, /, **params: object) -> Call:
    def call(client: Client, target: Target) -> requests.Response:
        query = {key: json.dumps(value).replace("$", target.name) for key, value in params.items()}
        return client.http.get(client.url + path.replace("$", target.name), params=query, timeout=60)

    return call


def rest(name: str, /, **arguments: object) -> Call:
    return method(f"dartwing_core.api.jobs.{name}", **arguments)


def secret(answer: requests.Response, target: Target) -> bool:
    return target.secret in answer.text


def named(answer: requests.Response, target: Target) -> bool:
    """The id stands in a successful answer that was not simply told it."""
    return answer.status_code == 200 and target.name in answer.text


def counted(answer: requests.Response, target: Target) -> bool:
    return answer.status_code == 200 and bool(re.search(r"[1-9]", json.dumps(_payload(answer))))


def affirmed(answer: requests.Response, target: Target) -> bool:
    return answer.status_code == 200 and "true" in json.dumps(_payload(answer))


def _payload(answer: requests.Response) -> object:
    body = answer.json()
    return body.get("message", body.get("data"))


ONE = {"name": "$"}
LISTED = [[JOB, "name", "=", "$"]]
TEXTS = ["name", "progress_message", "error_message", "output_reference"]
DOC = "frappe.desk.form"
CHART = {"name": "x", "document_type": JOB, "based_on": "creation", "value_based_on": "", "group_by_type": "Count"}

# fmt: off
PATHS: dict[str, Path] = {
    # our REST
    "get_job_status": Path(rest("get_job_status", job_id="$"), secret, needs_desk=False),
    "get_job_history": Path(rest("get_job_history", job_id="$"), secret, needs_desk=False),
    "get_job_details": Path(rest("get_job_details", job_id="$"), secret, needs_desk=False),
    "list_jobs": Path(rest("list_jobs", limit=100), named, needs_desk=False, is_uniform=False),
    "get_slowest_jobs": Path(rest("get_slowest_jobs", limit=100), named, needs_desk=False, is_uniform=False),
    "get_batch_status": Path(rest("get_batch_status", batch_id="BATCH-$"), secret, needs_desk=False),
    "list_batches": Path(rest("list_batches", limit=100), named, needs_desk=False, is_uniform=False),
    "jobs of a batch": Path(rest("list_jobs", batch="BATCH-$"), secret, needs_desk=False),
    "get_schedule": Path(rest("get_schedule", schedule_id="SCHEDULE-$"), secret, needs_desk=False),
    "list_schedules": Path(rest("list_schedules", limit=100), named, needs_desk=False, is_uniform=False),
    "the original's name": Path(
        method("dartwing.dartwing_core.api.jobs.get_job_status", job_id="$"), secret, needs_desk=False
    ),
    # Frappe's REST
    "resource": Path(url(f"/api/resource/{JOB}/$"), secret),
    "resource list": Path(url(f"/api/resource/{JOB}", filters=LISTED, fields=TEXTS), secret),
    "resource run": Path(url(f"/api/resource/{RUN}/$-1"), secret),
    "resource batch": Path(url(f"/api/resource/{BATCH}/BATCH-$"), secret),
    "resource dependency": Path(url(f"/api/resource/{DEPENDENCY}/$-D"), secret),
    "resource schedule": Path(url("/api/resource/Job Schedule/SCHEDULE-$"), secret),
    "list of schedules": Path(
        url("/api/resource/Job Schedule", filters=[["name", "=", "SCHEDULE-$"]], fields=["title"]), secret
    ),
    "a schedule's form": Path(
        method("frappe.desk.form.load.getdoc", doctype="Job Schedule", name="SCHEDULE-$"), secret
    ),
    "a schedule's title": Path(
        posted("frappe.desk.search.get_link_title", doctype="Job Schedule", docname="SCHEDULE-$"), secret
    ),
    "search for a schedule": Path(
        posted("frappe.desk.search.search_link", doctype="Job Schedule", txt="SCHEDULE-$"), named, is_uniform=False
    ),
    "v2 document": Path(url(f"/api/v2/document/{JOB}/$"), secret),
    "v2 list": Path(url(f"/api/v2/document/{JOB}", filters=LISTED, fields=TEXTS), secret),
    "v2 count": Path(url(f"/api/v2/doctype/{JOB}/count", filters=LISTED), counted),
    # frappe.client
    "client.get": Path(method("frappe.client.get", doctype=JOB, name="$"), secret),
    "client.get by filter": Path(method("frappe.client.get", doctype=JOB, filters=ONE), secret),
    "client.get_value": Path(
        method("frappe.client.get_value", doctype=JOB, fieldname="output_reference", filters=ONE), secret
    ),
    "client.get_list": Path(method("frappe.client.get_list", doctype=JOB, filters=ONE, fields=TEXTS), secret),
    "client.get_count": Path(method("frappe.client.get_count", doctype=JOB, filters=ONE), counted),
    "client.get_count of files": Path(
        method("frappe.client.get_count", doctype="File", filters={"attached_to_name": "$"}), counted
    ),
    "client.get_count of log": Path(
        method("frappe.client.get_count", doctype=LOG, filters={"background_job": "$"}), counted
    ),
    "client.get of a batch": Path(method("frappe.client.get", doctype=BATCH, name="BATCH-$"), secret),
    "client.get_value of a batch": Path(
        method("frappe.client.get_value", doctype=BATCH, fieldname="on_success", filters={"name": "BATCH-$"}), secret
    ),
    "client.get_count of batches": Path(
        method("frappe.client.get_count", doctype=BATCH, filters={"name": "BATCH-$"}), counted
    ),
    "client.get_count of dependencies": Path(
        method("frappe.client.get_count", doctype=DEPENDENCY, filters={"background_job": "$"}), counted
    ),
    "client.has_permission for a batch": Path(
        method("frappe.client.has_permission", doctype=BATCH, docname="BATCH-$", perm_type="read"), affirmed
    ),
    "client.has_permission": Path(
        method("frappe.client.has_permission", doctype=JOB, docname="$", perm_type="read"), affirmed
    ),
    "client.get_doc_permissions": Path(
        method("frappe.client.get_doc_permissions", doctype=JOB, docname="$"), counted
    ),
    "client.validate_link": Path(
        method("frappe.client.validate_link", doctype=JOB, docname="$", fields=["output_reference"]), secret
    ),
    # Desk: lists and reports
    "reportview.get": Path(method("frappe.desk.reportview.get", doctype=JOB, filters=LISTED, fields=TEXTS), secret),
    "reportview.get_list": Path(
        method("frappe.desk.reportview.get_list", doctype=JOB, filters=LISTED, fields=TEXTS), secret
    ),
    "reportview.get_count": Path(
        method("frappe.desk.reportview.get_count", doctype=JOB, filters=LISTED, fields=[]), counted
    ),
    "reportview.get_count, as the list asks": Path(
        method("frappe.desk.reportview.get_count", doctype=JOB, filters=LISTED, fields=[], limit=1001), counted
    ),
    "reportview.get_stats": Path(
        method("frappe.desk.reportview.get_stats", doctype=JOB, filters=LISTED, stats=["output_reference"]), secret
    ),
    "reportview.export": Path(
        method(
            "frappe.desk.reportview.export_query", doctype=JOB, filters=LISTED, file_format_type="CSV", title="x",
            fields=[f"`tab{JOB}`.`{field}`" for field in TEXTS], csv_quoting="0", csv_delimiter=",",
        ),
        secret,
        only_manager=True,
    ),
    "report of attempts": Path(
        method(
            "frappe.desk.reportview.get", doctype=RUN, fields=["progress_message"],
            filters=[[RUN, "background_job", "=", "$"]],
        ),
        secret,
    ),
    "report of log": Path(
        method(
            "frappe.desk.reportview.get", doctype=LOG, fields=["message"], filters=[[LOG, "background_job", "=", "$"]]
        ),
        secret,
    ),
    "report of batches": Path(
        method("frappe.desk.reportview.get", doctype=BATCH, fields=["description"],
               filters=[[BATCH, "name", "=", "BATCH-$"]]),
        secret,
    ),
    "report of dependencies": Path(
        method("frappe.desk.reportview.get", doctype=DEPENDENCY, fields=["depends_on"],
               filters=[[DEPENDENCY, "background_job", "=", "$"]]),
        secret,
    ),
    "group by": Path(
        method("frappe.desk.listview.get_group_by_count", doctype=JOB, current_filters=LISTED, field="owner_user"),
        counted,
    ),
    "group by assignee": Path(
        method("frappe.desk.listview.get_group_by_count", doctype=JOB, current_filters=LISTED, field="assigned_to"),
        counted,
        is_mute=True,
    ),
    "number card": Path(
        method(
            "frappe.desk.doctype.number_card.number_card.get_result", filters=LISTED,
            doc={"document_type": JOB, "function": "Count"},
        ),
        counted,
    ),
    "chart": Path(
        method(
            "frappe.desk.doctype.dashboard_chart.dashboard_chart.get", filters=LISTED,
            chart={**CHART, "chart_type": "Group By", "group_by_based_on": "output_reference"},
        ),
        secret,
    ),
    "heat map": Path(
        method(
            "frappe.desk.doctype.dashboard_chart.dashboard_chart.get", filters=LISTED, heatmap_year="2026",
            chart={**CHART, "chart_type": "Count", "type": "Heatmap"},
        ),
        counted,
        is_mute=True,
    ),
    "data export": Path(
        posted(
            "frappe.core.doctype.data_export.exporter.export_data", doctype=JOB, with_data=1, file_type="CSV",
            filters=json.dumps(ONE), select_columns=json.dumps({JOB: ["name", "output_reference"]}),
            export_without_column_meta="true", template="false",
        ),
        secret,
        only_manager=True,
    ),
    # Desk: links
    "link search": Path(posted("frappe.desk.search.search_link", doctype=JOB, txt="$"), named),
    "link search past permissions": Path(
        posted("frappe.desk.search.search_link", doctype=JOB, txt="$", ignore_user_permissions=1), named
    ),
    "link search of batches past permissions": Path(
        posted("frappe.desk.search.search_link", doctype=BATCH, txt="BATCH-$", ignore_user_permissions=1), named
    ),
    "search box past permissions": Path(
        posted("frappe.desk.search.search_widget", doctype=JOB, txt="$", ignore_user_permissions=1), named
    ),
    "link preview": Path(
        method("frappe.desk.link_preview.get_preview_data", doctype=JOB, docname="$"), named, is_mute=True
    ),
    "tagged": Path(
        method("frappe.desk.doctype.tag.tag.get_tagged_docs", doctype=JOB, tag="%"), named, is_mute=True
    ),
    # Desk: the form
    "getdoc": Path(method(f"{DOC}.load.getdoc", doctype=JOB, name="$"), secret),
    "getdoc of attempt": Path(method(f"{DOC}.load.getdoc", doctype=RUN, name="$-1"), secret),
    "getdoc of a batch": Path(method(f"{DOC}.load.getdoc", doctype=BATCH, name="BATCH-$"), secret),
    "get_docinfo": Path(method(f"{DOC}.load.get_docinfo", doctype=JOB, name="$"), secret),
    "get_communications": Path(method(f"{DOC}.load.get_communications", doctype=JOB, name="$"), affirmed, is_mute=True),
    "linked with": Path(method(f"{DOC}.linked_with.get", doctype=JOB, docname="$"), secret, only_manager=True),
    "next of another": Path(
        method(f"{DOC}.utils.get_next", doctype=JOB, value="$", prev="1", sort_field="progress_message"),
        named, is_mute=True,
    ),
    "open count": Path(
        method("frappe.desk.notifications.get_open_count", doctype=JOB, name="$", items=[LOG]),
        counted,
        only_manager=True,
    ),
    "shared with": Path(method("frappe.share.get_users", doctype=JOB, name="$"), secret, is_mute=True),
    "followers": Path(
        method(f"{DOC}.document_follow.get_follow_users", doctype=JOB, doc_name="$"), secret, is_mute=True
    ),
    "print": Path(posted("frappe.www.printview.get_html_and_style", doc=JOB, name="$"), secret, is_mute=True),
    "print page": Path(url(f"/printview?doctype={JOB}&name=$"), secret, is_mute=True),
    "room": Path(method("frappe.realtime.can_subscribe_doc", doctype=JOB, docname="$"), affirmed),
    "room of a batch": Path(method("frappe.realtime.can_subscribe_doc", doctype=BATCH, docname="BATCH-$"), affirmed),
    "room of later Frappe": Path(method("frappe.realtime.has_permission", doctype=JOB, name="$"), affirmed),
    # files
    "download": Path(
        lambda client, target: client.http.get(f"{client.url}{target.file_url}", timeout=60),
        lambda answer, target: answer.status_code == 200 and answer.text == target.secret,
        needs_desk=False,
    ),
}
# fmt: on


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ACTORS)
def test_everybody_reads_their_own_jobs_and_no_other(web, name):
    actor, client, jobs = ACTORS[name], tenants.client_of(name, web), tenants.targets(name)
    wrong = []
    for title, path in PATHS.items():
        answers = {key: path.call(client, jobs[key]) for key in TARGETS}
        if any("Failed to get method" in answer.text for answer in answers.values()):
            continue  # this Frappe does not have it
        for key, answer in answers.items():
            expected = tenants.visible(actor, key, path.needs_desk)
            shown = path.shows(answer, jobs[key])
            if shown and not expected:
                wrong.append(f"LEAK {title} of {key}: {answer.status_code} {answer.text[:300]}")
            must_show = expected and not path.is_mute and (actor.is_manager or not path.only_manager)
            if must_show and not shown:
                wrong.append(f"not shown: {title} of {key}: {answer.status_code} {answer.text[:300]}")
            if key in actor.sees and not expected:
                continue  # known to exist through REST, whatever Desk says to somebody without a role
            if answer.status_code >= 500:
                wrong.append(f"{answer.status_code} {title} of {key}: {answer.text[:300]}")
            plain, missing = tenants.plain(answer, jobs[key].name), tenants.plain(answers["none"], tenants.NOWHERE)
            if not expected and path.is_uniform and plain != missing:
                wrong.append(f"tells {key} from none: {title}: {plain} {missing}")
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("name", ACTORS)
def test_figures_count_only_what_one_sees(web, name):
    actor, client, jobs = ACTORS[name], tenants.client_of(name, web), tenants.targets(name)
    if name in ("guest", "disabled"):
        assert client.get("get_job_metrics").status_code == 401
        return
    for organization in ("Test Alpha", "Test Beta", "Test Nowhere"):
        expected = sum(jobs[key].organization == organization for key in actor.sees)
        metrics = client.get("get_job_metrics", organization=organization).json()["message"]
        assert sum(metrics["job_count_by_status"].values()) == expected
        assert bool(metrics["failure_rate_by_type"]) is bool(expected)
        stats = client.get("get_execution_time_stats", organization=organization).json()["message"]
        assert stats["count"] == expected
        assert client.get("list_jobs", organization=organization).json()["message"]["total"] == expected
        slow = client.get("get_slowest_jobs", organization=organization).json()["message"]["jobs"]
        assert len(slow) == expected
    for key in ("own", "alpha", "beta"):
        tenants.set_status(jobs[key].name, "Dead Letter", jobs[key].secret)
    frappe.db.commit()
    counts = client.get("get_job_counts").json()["message"]
    assert counts["dead_letter"] - _dead_letters_of_others(name) == len(actor.sees)


def _dead_letters_of_others(name: str) -> int:
    """Those of real organizations, on a bench's site, that a System Manager sees too."""
    if name != "manager":
        return 0
    of_others = {"status": "Dead Letter", "organization": ["not like", "Test %"]}
    return frappe.db.count(JOB, of_others)
