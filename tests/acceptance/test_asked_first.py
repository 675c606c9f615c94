"""What a request names is asked for before Frappe looks it up: hidden and missing answer alike, and nothing is done."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import frappe
import pytest
import requests

from dartwing_core.jobs import job as part
from dartwing_core.jobs import submit_batch
from dartwing_core.wall.substitutes import REPLACED
from tests.support import factory, records, tenants
from tests.support.http import Client
from tests.support.tenants import NOWHERE

JOB, RUN, LOG = "Background Job", "Background Job Run", "Job Execution Log"
TRACE = "a traceback of Alpha"


@pytest.fixture
def job(site) -> str:
    """A job of somebody else's in Alpha, with an attempt that has a traceback."""
    made = tenants.targets("user")["alpha"].name
    frappe.db.sql(f"UPDATE `tab{RUN}` SET traceback = %s WHERE background_job = %s", (TRACE, made))
    frappe.db.commit()
    return made


@pytest.fixture(params=["user", "admin_b", "portal", "roleless", "disabled", "guest"])
def stranger(request, web) -> Client:
    """Everybody who may not see it, but members and admins of Beta first."""
    return tenants.client_of(request.param, web)


@pytest.fixture
def user(web) -> Client:
    return tenants.client_of("user", web)


def send(client: Client, verb: str, path: str, name: str, body: Any = None) -> requests.Response:
    def filled(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("$", name))

    path = path.replace("$", name)
    return client.http.request(verb, client.url + path, json=None if body is None else filled(body), timeout=60)


def method(name: str, /, **body: Any) -> tuple[str, str, Any]:
    return "POST", f"/api/method/{name}", body


def document(doctype: str, /, **fields: Any) -> dict[str, Any]:
    return {"doctype": doctype, **fields}


COMMENT = document("Comment", comment_type="Comment", reference_doctype=JOB, reference_name="$", content="x")
LINKS = {
    "Comment": COMMENT,
    "Communication": document("Communication", subject="x", reference_doctype=JOB, reference_name="$"),
    "ToDo": document("ToDo", description="x", reference_type=JOB, reference_name="$"),
    "File": document("File", file_url="https://example.com/x", attached_to_doctype=JOB, attached_to_name="$"),
    "Tag Link": document("Tag Link", tag="x", document_type=JOB, document_name="$"),
    "Job Execution Log": document(LOG, background_job="$", to_status="Failed", message="x"),
    "Background Job Run": document(RUN, background_job="$", attempt=9),
    "Background Job": document(JOB, job_type="echo_job", organization="Test Beta", depends_on="$"),
    "Reminder": document(
        "Reminder", description="x", remind_at="2035-01-01 10:00:00", reminder_doctype=JOB, reminder_docname="$"
    ),
    "DocShare": document("DocShare", user="test_bob@example.com", share_doctype=JOB, share_name="$", read=1),
    "Document Follow": document(
        "Document Follow", user="test_bob@example.com", ref_doctype=JOB, ref_docname="$"
    ),
    "User Permission": document("User Permission", user="test_bob@example.com", allow=JOB, for_value="$"),
    "Event": document(
        "Event", subject="x", starts_on="2035-01-01 10:00:00",
        event_participants=[{"reference_doctype": JOB, "reference_docname": "$"}],
    ),
}  # fmt: skip

WAYS = {
    **{f"insert {title}": method("frappe.client.insert", doc=link) for title, link in LINKS.items()},
    **{f"form of {title}": method("frappe.desk.form.save.savedocs", doc=json.dumps({**link, "__islocal": 1}),
                                  action="Save") for title, link in LINKS.items()},
    **{f"POST {title}": ("POST", f"/api/resource/{title}", link) for title, link in LINKS.items()},
    **{f"v2 POST {title}": ("POST", f"/api/v2/document/{title}", link) for title, link in LINKS.items()},
    "insert many": method("frappe.client.insert_many", docs=json.dumps([COMMENT])),
    "POST as data": ("POST", "/api/resource/Comment", {"data": json.dumps(COMMENT)}),
    "DELETE": ("DELETE", f"/api/resource/{JOB}/$", None),
    "v1 DELETE": ("DELETE", f"/api/v1/resource/{JOB}/$", None),
    "v2 DELETE": ("DELETE", f"/api/v2/document/{JOB}/$/", None),
    "DELETE of attempt": ("DELETE", f"/api/resource/{RUN}/$-1", None),
    "PUT": ("PUT", f"/api/resource/{JOB}/$", {"status": "Queued"}),
    "run_method": ("POST", f"/api/resource/{JOB}/$?run_method=add_comment", {"text": "x"}),
    "v2 method": ("POST", f"/api/v2/document/{JOB}/$/method/add_comment", {"text": "x"}),
    "run_doc_method": method("run_doc_method", dt=JOB, dn="$", method="add_comment", args={"text": "x"}),
    "run_doc_method of a forged one": method(
        "run_doc_method", docs=json.dumps(document(JOB, name="$", owner_user="test_m_user@example.com")),
        method="add_comment",
    ),
    "v2 method of a DocType": ("POST", "/api/v2/method/Tag/add_tag", {"tag": "x", "dt": JOB, "dn": "$"}),
    "by cmd": ("POST", "/?cmd=frappe.client.delete", {"cmd": "frappe.client.delete", "doctype": JOB, "name": "$"}),
    "by cmd on a page of Desk": ("POST", "/app?cmd=frappe.client.delete",
                                 {"cmd": "frappe.client.delete", "doctype": JOB, "name": "$"}),
    "client.delete": method("frappe.client.delete", doctype=JOB, name="$"),
    "delete_items": method("frappe.desk.reportview.delete_items", doctype=JOB, items=json.dumps(["$"])),
    "set_value": method("frappe.client.set_value", doctype=JOB, name="$", fieldname="status", value="Queued"),
    "relink": method("frappe.email.relink", name="x", reference_doctype=JOB, reference_name="$"),
    "auto repeat": method("frappe.automation.doctype.auto_repeat.auto_repeat.make_auto_repeat", doctype=JOB,
                          docname="$"),
    "reminder": method(
        "frappe.automation.doctype.reminder.reminder.create_new_reminder", reminder_doctype=JOB, reminder_docname="$",
        remind_at="2035-01-01 10:00:00", description="x",
    ),
    "discussion": method(
        "frappe.website.doctype.discussion_topic.discussion_topic.submit_discussion", doctype=JOB, docname="$",
        reply="x", title="x",
    ),
    "unfollow": method(
        "frappe.desk.form.document_follow.unfollow_document", doctype=JOB, doc_name="$", user="test_alice@example.com"
    ),
    "energy points": method(
        "frappe.social.doctype.energy_point_log.energy_point_log.review", doc=json.dumps(document(JOB, name="$")),
        points=0, to_user="test_alice@example.com", reason="x",
    ),
    "RQ's name of an attempt": method("frappe.core.doctype.rq_job.rq_job.stop_job", job_id="site::$-1"),
    "RQ's later name": method("frappe.core.doctype.rq_job.rq_job.stop_job", job_id="site||$-1"),
    "like of a page": method(
        "frappe.templates.includes.likes.likes.like", reference_doctype=JOB, reference_name="$", like=1
    ),
    "PDF": ("GET", f"/api/method/frappe.utils.print_format.download_pdf?doctype={JOB}&name=$", None),
    "PDF of several": method("frappe.utils.print_format.download_multi_pdf", doctype=json.dumps({JOB: ["$"]}),
                             name="x"),
    "print page": ("GET", f"/printview?doctype={JOB}&name=$", None),
    "web form": method("frappe.website.doctype.web_form.web_form.get_form_data", doctype=JOB, docname="$"),
    "in small letters": ("GET", "/api/resource/background job/$", None),
}  # fmt: skip
SPELLINGS = {"as it is": lambda name: name, "small": str.lower, "wide J": lambda name: name.replace("J", "\uff2a", 1)}


@pytest.mark.timeout(300)
def test_hidden_and_missing_answer_alike(stranger, job):
    wrong = []
    for title, (verb, path, body) in WAYS.items():
        told = [tenants.plain(send(stranger, verb, path, name, body), name) for name in (job, NOWHERE)]
        if told[0] != told[1] or (told[0][0] == 200 and title != "unfollow"):
            wrong.append(f"{title}: {told[0][0]} {told[0][1][:200]} | {told[1][0]} {told[1][1][:200]}")
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_as_mariadb_compares_names(user, job, spelling):
    for way in ("client.delete", "insert Reminder", "reminder", "DELETE", "RQ's later name"):
        verb, path, body = WAYS[way]
        told = []
        for name in (job, NOWHERE):
            spelled = SPELLINGS[spelling](name)
            plain = tenants.plain(send(user, verb, path, spelled, body), spelled)
            told.append((plain[0], plain[1].replace(json.dumps(spelled)[2:-1], "$").replace(name[1:], "$")))
        assert told[0] == told[1], way
        assert told[0][0] == 404, way


def test_the_owner_and_their_admin_still_reach_the_job(web):
    for name in ("user", "admin_a"):
        client, own = tenants.client_of(name, web), tenants.targets(name)["own"].name
        verb, path, body = WAYS["insert Reminder"]
        made = send(client, verb, path, own, body)
        assert made.status_code == 200, made.text
        assert send(client, "GET", f"/api/resource/{JOB}/$", own).status_code == 200


def test_what_a_document_holds_already_is_saved_with_it(web):
    # A job that its owner may see no more, or that is deleted, must not stop them from saving what links to it.
    client, own = tenants.client_of("user", web), tenants.targets("user")["own"].name
    verb, path, body = WAYS["insert Reminder"]
    reminder = send(client, verb, path, own, body).json()["message"]
    frappe.db.sql(f"UPDATE `tab{JOB}` SET owner_user = 'Administrator' WHERE name = %s", own)
    frappe.db.commit()
    changed = json.dumps({**reminder, "description": "changed"})
    saved = send(client, *method("frappe.desk.form.save.savedocs")[:2], own, {"doc": changed, "action": "Save"})
    assert saved.status_code == 200, saved.text
    assert send(client, "PUT", "/api/resource/Reminder/" + reminder["name"], own, {"reminder_docname": "$"}).ok
    another = {**body["doc"], "description": "another"}
    assert send(client, verb, path, own, {"doc": another}).status_code == 404


# Functions by other names ----------------------------------------------------------------------------------------


def aliases() -> list[str]:
    """Dotted names under which Frappe serves a function that has a substitute here, besides its own."""
    root = frappe.get_module("frappe.handler").__name__.partition(".")[0]
    return sorted(
        f"frappe.{module.partition('.')[2]}.{name}"
        for module in [name for name in sys.modules if name.startswith(f"{root}.")]
        for name, value in vars(sys.modules[module]).items()
        if getattr(value, "__name__", None) and value in [*REPLACED] and value.__module__ != module
    )


def test_a_substitute_is_not_gone_around_by_another_name(user, job):
    found = aliases()
    assert "frappe.share.follow_document" in found
    body = {"doctype": JOB, "name": "x", "doc_name": "x", "user": "test_bob@example.com", "txt": "x", "docname": "x"}
    for name in found:
        assert send(user, *method(name)[:2], job, body).status_code == 403, name


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("frappe.desk.search.search_link", {"query": "frappe.client.get_count", "txt": "x"}),
        ("frappe.desk.search.search_widget", {"query": "frappe.desk.like.follow_document", "txt": "x"}),
        ("frappe.desk.treeview.get_all_nodes", {"tree_method": "frappe.client.get_count", "parent": "", "label": ""}),
        ("frappe.model.mapper.map_docs", {"method": "frappe.client.get_count", "source_names": "[]", "target_doc": ""}),
        ("frappe.model.mapper.make_mapped_doc", {"method": "frappe.share.follow_document", "source_name": "x"}),
    ],
)  # fmt: skip
def test_nor_by_a_function_that_calls_another(user, job, name, arguments):
    assert send(user, *method(name)[:2], job, {"doctype": JOB, **arguments}).status_code == 403


@pytest.mark.parametrize("called", ["cancel_job", "retry_job"])
def test_an_endpoint_is_not_called_by_get_through_another_function(web, called):
    client, own = tenants.client_of("user", web), tenants.targets("user")["own"]
    tenants.set_status(own.name, "Failed", own.secret)
    frappe.db.commit()
    query = f"frappe.model.mapper.make_mapped_doc?source_name={own.name}&method=dartwing_core.api.jobs.{called}"
    answer = send(client, "GET", f"/api/method/{query}", own.name)
    frappe.db.rollback()
    assert answer.status_code == 403, answer.text
    assert frappe.db.get_value(JOB, own.name, "status") == "Failed"


# Rows, without a name --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("doctype", ["RQ Job", "RQ Worker", "rq job"])
def test_the_jobs_of_rq_are_listed_to_nobody_else(stranger, job, doctype):
    body = {"doctype": doctype, "filters": [], "fields": ["name"], "stats": "[]"}
    for name in ("reportview.get", "reportview.get_list", "reportview.get_count", "reportview.get_sidebar_stats"):
        answer = send(stranger, *method(f"frappe.desk.{name}")[:2], job, body)
        assert answer.status_code in (401, 403, 404), (name, answer.text)
    for path in (f"/api/resource/{doctype}", f"/api/v2/doctype/{doctype}/count", f"/api/v2/document/{doctype}"):
        assert send(stranger, "GET", path, job).status_code in (401, 403, 404), path


def test_a_doctype_has_one_spelling(user, job):
    # By another, Frappe finds the DocType, but none of the hooks that are asked for it.
    for doctype in ("background job", "BACKGROUND JOB", "Background Job ", "Organizatio\u0301n"):
        body = {"doctype": doctype, "fields": ["name"], "filters": {}}
        for name in ("client.get_list", "client.get_count", "desk.reportview.get"):
            assert send(user, *method(f"frappe.{name}")[:2], job, body).status_code in (403, 404), (name, doctype)
        assert send(user, "GET", f"/api/resource/{doctype}", job).status_code in (403, 404)


@pytest.fixture
def linking(site):
    """A DocType of another app, that all users read, with a link to jobs."""
    fields = [{"fieldname": "job", "fieldtype": "Link", "options": JOB, "label": "Job"}]
    permissions = [{"role": "All", "read": 1, "write": 1, "create": 1}]
    records.make_doctype("Test Invoice", fields, permissions, module="Core")
    frappe.db.commit()
    yield "Test Invoice"
    records.remove_doctypes("Test Invoice")


def test_a_link_of_another_app_is_no_way_to_a_jobs_fields(web, user, job, linking):
    row = frappe.get_doc({"doctype": linking, "job": job}).insert(ignore_permissions=True)
    frappe.db.commit()
    for fields in (["name", "job.error_message"], ["job.error_message as x"], ["`job` . input_parameters"]):
        for name in ("client.get_list", "desk.reportview.get"):
            answer = send(user, *method(f"frappe.{name}")[:2], job, {"doctype": linking, "fields": fields})
            assert answer.status_code in (403, 417), answer.text
            assert "s3cret" not in answer.text
    chart = {"document_type": linking, "chart_type": "Group By", "group_by_type": "Count", "filters_json": "[]"}
    chart |= {"group_by_based_on": "job.error_message"}
    card = {"document_type": linking, "function": "Sum", "aggregate_function_based_on": "job.attempt"}
    for name, body in (
        ("dashboard_chart.dashboard_chart.get", {"chart": json.dumps(chart), "no_cache": 1}),
        ("number_card.number_card.get_result", {"doc": json.dumps(card), "filters": "[]"}),
    ):
        answer = send(user, *method(f"frappe.desk.doctype.{name}")[:2], job, body)
        assert answer.status_code == 403, answer.text
        assert "s3cret" not in answer.text
    listed = send(user, "GET", f"/api/resource/{linking}?fields=[%22name%22,%22job%22]", job).json()["data"]
    assert [one["job"] for one in listed] == [job], "what the other app shows"
    changed = send(user, "PUT", f"/api/resource/{linking}/{row.name}", job, {"job": "$"})
    assert changed.status_code == 200, "what it holds already"
    for name in (job, NOWHERE):
        other = {"doctype": linking, "job": "$"}
        assert send(user, *method("frappe.client.insert")[:2], name, {"doc": other}).status_code == 404


def test_a_link_of_another_app_shows_no_fields_that_only_admins_read(site, web, user):
    # Seen failing on Frappe 16, whose `expand_links` shows the whole of what is linked to.
    own, doctype = tenants.targets("user")["own"].name, "Test Attempt Link"
    frappe.db.sql(f"UPDATE `tab{RUN}` SET traceback = %s, worker = 'w0rker' WHERE background_job = %s", (TRACE, own))
    attempt = frappe.db.get_value(RUN, {"background_job": own})
    fields = [{"fieldname": "attempt", "fieldtype": "Link", "options": RUN, "label": "Attempt"}]
    records.make_doctype(doctype, fields, [{"role": "All", "read": 1}], module="Core")
    row = frappe.get_doc({"doctype": doctype, "attempt": attempt}).insert(ignore_permissions=True)
    frappe.db.commit()
    try:
        answer = user.http.get(f"{web}/api/resource/{doctype}/{row.name}?expand_links=1", timeout=60)
        assert attempt in answer.text
        assert TRACE not in answer.text
        assert "w0rker" not in answer.text
    finally:
        records.remove_doctypes(doctype)


FILTER = {"traceback": ["like", f"%{TRACE}%"]}
ORACLES = {
    "filter": ("frappe.client.get_list", {"doctype": RUN, "filters": FILTER}),
    "listed filter": ("frappe.client.get_list", {"doctype": RUN, "filters": [[RUN, "traceback", "like", "%x%"]]}),
    "or_filters": ("frappe.client.get_list", {"doctype": RUN, "or_filters": FILTER}),
    "order_by": ("frappe.client.get_list", {"doctype": RUN, "order_by": "traceback asc"}),
    "order_by with table": ("frappe.client.get_list", {"doctype": RUN, "order_by": f"`tab{RUN}`.`traceback` asc"}),
    "group_by": ("frappe.client.get_list", {"doctype": RUN, "group_by": "traceback"}),
    "count": ("frappe.client.get_count", {"doctype": RUN, "filters": FILTER}),
    "value": ("frappe.client.get_value", {"doctype": RUN, "fieldname": "name", "filters": FILTER}),
    "value by text": ("frappe.client.get_value", {"doctype": RUN, "fieldname": "name", "filters": json.dumps(FILTER)}),
    "report": ("frappe.desk.reportview.get", {"doctype": RUN, "fields": ["name"], "filters": FILTER}),
    "report's order": ("frappe.desk.reportview.get", {"doctype": RUN, "fields": ["name"], "order_by": "TRACEBACK"}),
    "report's count": ("frappe.desk.reportview.get_count", {"doctype": RUN, "fields": [], "filters": FILTER}),
    "stats": ("frappe.desk.reportview.get_stats", {"doctype": RUN, "stats": '["traceback"]'}),
    "group count": (
        "frappe.desk.listview.get_group_by_count", {"doctype": RUN, "current_filters": "[]", "field": "traceback"}
    ),
    "chart": (
        "frappe.desk.doctype.dashboard_chart.dashboard_chart.get",
        {"chart": {"document_type": RUN, "chart_type": "Group By", "group_by_type": "Count",
                   "group_by_based_on": "traceback"}},
    ),
    "number card": (
        "frappe.desk.doctype.number_card.number_card.get_result",
        {"doc": {"document_type": RUN, "function": "Count"}, "filters": json.dumps([[RUN, "traceback", "like", "%"]])},
    ),
    "list of a portal": ("frappe.www.list.get_list_data", {"doctype": RUN, "traceback": json.dumps(["like", "%"])}),
    "escaped": ("frappe.client.get_list", {"doctype": RUN, "filters": '{"trace\\u0062ack": ["like", "%x%"]}'}),
    "worker": ("frappe.client.get_list", {"doctype": RUN, "filters": {"worker": ["like", "%"]}}),
    "worker of a change": ("frappe.client.get_list", {"doctype": LOG, "filters": [[LOG, "worker", "like", "%"]]}),
    "RQ's id": ("frappe.client.get_list", {"doctype": RUN, "order_by": "rq_job_id desc"}),
    "connection": ("frappe.client.get_list", {"doctype": RUN, "filters": [["connection_id", ">", 0]]}),
}  # fmt: skip


@pytest.mark.parametrize("way", ORACLES)
def test_no_member_filters_by_what_only_admins_read(user, web, job, way):
    name, arguments = ORACLES[way]
    answer = user.http.post(f"{web}/api/method/{name}", json=arguments, timeout=60)
    assert answer.status_code == 403, answer.text


def test_admins_and_all_lists_work_as_before(user, web, job):
    admin = tenants.client_of("admin_a", web)
    name, arguments = ORACLES["filter"]
    found = admin.http.post(f"{web}/api/method/{name}", json=arguments, timeout=60)
    assert found.json()["message"], "an admin of the job's organization"
    listed = user.http.get(f"{web}/api/resource/{RUN}", params={"fields": '["*"]'}, timeout=60).json()["data"]
    assert listed
    assert all("traceback" not in row for row in listed)


@pytest.mark.parametrize("field", ["""elt(2, "'", traceback, "'")""", "left(traceback, 30)"])
def test_no_column_of_a_report_shows_what_only_admins_read(user, web, job, field):
    # Seen failing on Frappe 15: what stands between two quoted quotes was taken for quoted itself.
    body = {"doctype": RUN, "field": field}
    name = "frappe.desk.query_report.get_data_for_custom_field"
    answer = user.http.post(f"{web}/api/method/{name}", json=body, timeout=60)
    assert answer.status_code >= 400
    assert TRACE not in answer.text


@pytest.mark.parametrize(
    "more",
    [
        {"fields": [f"`tab{RUN}`.`name` as `a'`, left(traceback, 99) as `b'`"]},
        {"fields": [f"`tab{RUN}`.`name`,`tab{RUN}`.`traceback`"]},
        {"fields": [f"`tab{RUN}`.`name`, `tab{RUN}`.*"]},
        {"fields": [f"`tab{RUN}`.`name` as `a'`"], "order_by": "`a'`, traceback, `a'`"},
    ],
)
def test_no_quote_within_a_name_hides_what_only_admins_read(user, web, job, more):
    body = {"doctype": RUN, **more}
    answer = user.http.post(f"{web}/api/method/frappe.client.get_list", json=body, timeout=60)
    assert answer.status_code >= 400
    assert TRACE not in answer.text


def test_an_answer_with_the_document_leaves_out_what_only_admins_read(user, web, job):
    # Seen failing: `docs` held the whole row.
    name = frappe.get_all(RUN, filters={"background_job": job}, pluck="name")[0]
    body = {"dt": RUN, "dn": name, "method": "add_comment", "args": json.dumps({"text": "x"})}
    answer = user.http.post(f"{web}/api/method/run_doc_method", json=body, timeout=60)
    assert TRACE not in answer.text
    assert "w0rker" not in answer.text


def test_no_function_shows_what_only_admins_read(user, web, job):
    fields = ["name", "max(worker) as w"]
    body = {"doctype": RUN, "fields": fields}
    answer = user.http.post(f"{web}/api/method/frappe.client.get_list", json=body, timeout=60)
    assert answer.status_code >= 400 or all(set(row) <= {"name"} for row in answer.json()["message"]), answer.text


HARMLESS = {
    "value": {"doctype": RUN, "filters": [["error_message", "!=", "the worker"]]},
    "values": {"doctype": RUN, "filters": [["outcome", "not in", ["traceback", "worker"]]]},
    "value of a field": {"doctype": RUN, "filters": {"name": ["!=", "worker"], "owner": ["!=", "worker"]}},
    "shown": {"doctype": RUN, "fields": ["name", "worker", f"`tab{RUN}`.`traceback`"]},
}


@pytest.mark.parametrize("way", HARMLESS)
def test_members_may_use_the_words_that_name_what_only_admins_read(user, web, job, way):
    answer = user.http.post(f"{web}/api/method/frappe.client.get_list", json=HARMLESS[way], timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"]
    assert all(set(row) <= {"name"} for row in answer.json()["message"])


HANGING = {
    "Document Follow": ("ref_doctype", "ref_docname"),
    "Tag Link": ("document_type", "document_name"),
    "Comment": ("reference_doctype", "reference_name"),
    "Version": ("ref_doctype", "docname"),
}


@pytest.fixture
def hanging(job):
    """Rows of other DocTypes that name the job, and its organization."""
    names = []
    for doctype, fields in HANGING.items():
        for value in ((JOB, job), ("Organization", factory.ALPHA)):
            row = frappe.get_doc({"doctype": doctype, "user": "Administrator", "tag": "x", "comment_type": "Comment"})
            row.update(dict(zip(fields, value, strict=True)))
            row.db_insert()
            names.append((doctype, row.name))
    frappe.db.commit()
    yield names
    for doctype, name in names:
        frappe.db.delete(doctype, {"name": name})
    frappe.db.commit()


def test_what_hangs_on_a_job_is_listed_to_who_sees_it(web, hanging):
    # A website manager reads all comments; tags and followers are listed to everybody with a desk.
    roles = ("Dartwing User", "Website Manager", "Desk User")
    outsider = factory.user("m_website", factory.BETA, roles=roles)
    frappe.db.commit()
    for email, shows in ((outsider, False), (tenants.email_of("manager"), True)):
        client = Client(web).with_token(email)
        for doctype, name in hanging:
            body = {"doctype": doctype, "filters": {"name": name}}
            answer = client.http.post(f"{web}/api/method/frappe.client.get_list", json=body, timeout=60)
            assert bool(answer.json().get("message")) is shows, (doctype, answer.text)
            one = client.http.get(f"{web}/api/resource/{doctype}/{name}", timeout=60)
            assert (one.status_code == 200) is shows, (doctype, one.text)


@pytest.mark.parametrize("kind", ["job", "organization"])
def test_a_communication_is_not_moved_away(user, web, job, kind):
    reference = {"reference_doctype": JOB, "reference_name": job}
    if kind == "organization":
        reference = {"reference_doctype": "Organization", "reference_name": factory.BETA}
    row = frappe.get_doc({"doctype": "Communication", "communication_type": "Communication", **reference})
    row.db_insert()
    frappe.db.commit()
    body = {"name": row.name, "reference_doctype": "User", "reference_name": "test_bob@example.com"}
    answers = [user.http.post(f"{web}/api/method/frappe.email.relink", json={**body, "name": name}, timeout=60)
               for name in (row.name, "nowhere")]  # fmt: skip
    frappe.db.rollback()
    kept = frappe.db.get_value("Communication", row.name, ["reference_doctype", "reference_name"], as_dict=True)
    frappe.db.delete("Communication", {"name": row.name})
    frappe.db.commit()
    assert kept == reference
    assert tenants.plain(answers[0], row.name) == tenants.plain(answers[1], "nowhere")


def test_an_e_mail_is_not_linked_to_a_job_by_its_address(job):
    account = {"doctype": "Email Account", "email_id": "x@example.com", "email_account_name": "x", "enable_incoming": 1}
    row = frappe.get_doc({**account, "enable_automatic_linking": 1, "enable_outgoing": 0})
    row.db_insert()
    try:
        address = f"x+Background%20Job={job}@example.com"
        mail = {"doctype": "Communication", "subject": "x", "recipients": address, "sender": "y@example.com"}
        linked = frappe.get_doc({**mail, "communication_medium": "Email"}).insert(ignore_permissions=True)
        assert [one.link_name for one in linked.timeline_links if one.link_doctype == JOB] == []
    finally:
        frappe.db.rollback()


# Organizations and their members -----------------------------------------------------------------------------------

FOREIGN = {
    "resource": ("GET", "/api/resource/Organization/$", None),
    "v2": ("GET", "/api/v2/document/Organization/$", None),
    "DELETE": ("DELETE", "/api/resource/Organization/$", None),
    "PUT": ("PUT", "/api/resource/Organization/$", {"weight": 3}),
    "get": method("frappe.client.get", doctype="Organization", name="$"),
    "get by filter": method("frappe.client.get", doctype="Organization", name={"name": "$"}),
    "getdoc": method("frappe.desk.form.load.getdoc", doctype="Organization", name="$"),
    "delete": method("frappe.client.delete", doctype="Organization", name="$"),
    "delete_items": method("frappe.desk.reportview.delete_items", doctype="Organization", items=json.dumps(["$"])),
    "save": method("frappe.client.save", doc=document("Organization", name="$", org_name="$")),
    "rename": method("frappe.client.rename_doc", doctype="Organization", old_name="$", new_name="Test Renamed"),
    "a member": method(
        "frappe.client.insert", doc=document("Org Member", user="test_bob@example.com", organization="$")
    ),
    "POST a member": ("POST", "/api/resource/Org Member", {"user": "test_bob@example.com", "organization": "$"}),
    "a permission": method(
        "frappe.client.insert",
        doc=document("User Permission", user="test_bob@example.com", allow="Organization", for_value="$"),
    ),
    "a ToDo": method(
        "frappe.client.insert",
        doc=document("ToDo", description="x", reference_type="Organization", reference_name="$"),
    ),
    "unlock": method("frappe.model.document.unlock_document", doctype="Organization", name="$"),
    "unlock by args": method("frappe.model.document.unlock_document", args='{"doctype": "Organization", "name": "$"}'),
    "follow": method(
        "frappe.desk.form.document_follow.update_follow", doctype="Organization", doc_name="$", following=True
    ),
    "like of a page": method(
        "frappe.templates.includes.likes.likes.like", reference_doctype="Organization", reference_name="$", like=1
    ),
    "room": ("GET", "/api/method/frappe.realtime.can_subscribe_doc?doctype=Organization&docname=$", None),
}  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["user", "portal", "roleless", "guest"])
def test_a_hidden_and_a_missing_organization_answer_alike(web, name):
    client, wrong = tenants.client_of(name, web), []
    for title, (verb, path, body) in FOREIGN.items():
        told = []
        for organization in (factory.BETA, "Test Nowhere"):
            told.append(tenants.plain(send(client, verb, path, organization, body), organization))
        if told[0] != told[1] or (told[0][0] == 200 and title != "getdoc"):
            wrong.append(f"{title}: {told[0][0]} {told[0][1][:200]} | {told[1][0]} {told[1][1][:200]}")
    assert wrong == [], "\n".join(wrong)


def test_a_hidden_and_a_missing_batch_answer_alike(stranger, site):
    batch = submit_batch(factory.ALPHA, [part("echo_job", {"of": frappe.generate_hash()})]).name
    frappe.db.commit()
    ways = {
        "resource": ("GET", "/api/resource/Job Batch/$", None),
        "DELETE": ("DELETE", "/api/resource/Job Batch/$", None),
        "delete": method("frappe.client.delete", doctype="Job Batch", name="$"),
        "value": method("frappe.client.set_value", doctype="ToDo", name="x", fieldname="reference_name", value="$"),
        "comment": method("frappe.client.insert", doc={**COMMENT, "reference_doctype": "Job Batch"}),
        "reminder": method(
            "frappe.client.insert", doc={**LINKS["Reminder"], "reminder_doctype": "Job Batch"}
        ),
    }  # fmt: skip
    for title, (verb, path, body) in ways.items():
        told = [
            tenants.plain(send(stranger, verb, path, name, body), name)
            for name in (batch, "BATCH-1K00000000000NOWHERE")
        ]
        assert told[0] == told[1], title
        assert told[0][0] != 200, title


# Arguments that nobody sends -------------------------------------------------------------------------------------

ODD = {
    "tags of no list": ("frappe.desk.doctype.tag.tag.add_tags", {"dt": "Organization", "tags": "[]", "docs": "{{"}),
    "tags of numbers": ("frappe.desk.doctype.tag.tag.add_tags", {"dt": "Organization", "tags": "[]", "docs": 7}),
    "a tag that is a list": ("frappe.desk.doctype.tag.tag.get_tagged_docs", {"doctype": JOB, "tag": ["x"]}),
    "a chart that is a list": ("frappe.desk.doctype.dashboard_chart.dashboard_chart.get", {"chart": "[]"}),
    "a chart that is a number": ("frappe.desk.doctype.dashboard_chart.dashboard_chart.get", {"chart": "7"}),
    "a chart that is no JSON": ("frappe.desk.doctype.dashboard_chart.dashboard_chart.get", {"chart": "{{"}),
    "a chart's name that is a list": ("frappe.desk.doctype.dashboard_chart.dashboard_chart.get", {"chart_name": ["x"]}),
    "a filter that is no JSON": ("frappe.client.get", {"doctype": JOB, "filters": "{{"}),
    "a communication that is a list": ("frappe.email.relink", {"name": ["x"]}),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_odd_arguments_are_bad_input(user, web, odd):
    name, arguments = ODD[odd]
    answer = user.http.post(f"{web}/api/method/{name}", json=arguments, timeout=60)
    assert 400 <= answer.status_code < 500, answer.text


ANYTHING = [
    *(None, True, 7, -1, 1e300, "", " ", "x" * 5000, "\ud800", "\x00", "\U0001f600", "JOB-", "::", "' OR 1=1 --"),
    *([], {}, [[]], [{}], [None], "[", "{", "[]", "{}", '"x"', "[" * 3000, "[" * 500 + "]" * 500, '{"doctype": 7}'),
    *({"doctype": None}, {"doctype": [JOB], "name": "x"}, {JOB: ["\ud800"]}, {"doctype": "\ud800", "name": "x"}),
    *({"doctype": "Reminder", "name": "\ud800", "reminder_docname": NOWHERE}, ["JOB-" + "\u00ad" * 400]),
]


@pytest.mark.parametrize(
    "key", ["doctype", "name", "doc", "cmd", "filters", "fields", "reference_doctype", "items", "x"]
)
def test_no_argument_is_too_odd_for_the_guard(user, web, key):
    for value in ANYTHING:
        for path in ("/api/method/frappe.client.get_list", "/api/resource/Reminder", "/api/v2/document/Organization/x"):
            body = {"doctype": "Organization", "name": "x", key: value}
            answer = user.http.request("PUT" if "v2" in path else "POST", web + path, data=json.dumps(body), timeout=60,
                                       headers={"Content-Type": "application/json"})  # fmt: skip
            is_ours = "dartwing_core/api" in ["", *re.findall(r'File \\+"([^"\\]+)', answer.text)][-1]
            assert answer.status_code < 500 or not is_ours, (key, str(value)[:50], path, answer.text[-1500:])
    for path in ("/api", "/api/method", "/api/method/", "/api/resource//x", "/api/v2", "/api/v2/doctype/", "/api/%00"):
        answer = user.http.get(web + path, timeout=60)
        assert answer.status_code < 500 or "dartwing_core/api" not in answer.text, path
