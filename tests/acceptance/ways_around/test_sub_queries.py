"""What is sent as a field, a lookup or a number of rows holds no SQL, and words of SQL may be looked for."""

from __future__ import annotations

import json

import frappe
import pytest

from tests.support import factory
from tests.support.http import Client, call
from tests.support.sent_sql import JOB, READ_ALL, READ_BY_ERROR, RUN, SECRET

SUB_QUERIES = {
    "fields": ("frappe.client.get_list", {"doctype": "User", "fields": [READ_ALL]}),
    "after an operator": ("frappe.client.get_list", {"doctype": "User", "fields": ["like", READ_ALL]}),
    "fields as text": ("frappe.client.get_list", {"doctype": "User", "fields": READ_ALL.replace("select", "SeLeCT")}),
    "escaped": ("frappe.client.get_list", {"doctype": "User", "fields": f'["{READ_ALL}"]'.replace("s", "\\u0073")}),
    "union": (
        "frappe.client.get_list",
        {"doctype": "User", "fields": [
            "`tabUser`.`name`, 1 as b from `tabUser` where 1=0 union select j.name, j.input_parameters from"
            " `tabBackground Job` j union select `tabUser`.`name`, 2 as b"]},
    ),
    "another end": (
        "frappe.client.get_list",
        {"doctype": "User", "fields": ["1, j.input_parameters from `tabBackground Job` j -- `tabUser`.`name`"]},
    ),
    "within what Frappe quotes": (
        "frappe.client.get_list",
        {"doctype": "User", "fields": ["name`, `owner` from `tabUser` union select `name`, `input_parameters` from"
                                       f" `tab{JOB}` union select `name`, `owner"]},
    ),
    "taken apart": (
        "frappe.client.get_list",
        {"doctype": "Note", "fields": ['name`as`a"b`,`name as "',
                                       f"""",(select group_concat(input_parameters) from `tab{JOB}`) as z #",name"""]},
    ),
    "taken apart, of ours": (
        "frappe.client.get_list",
        {"doctype": JOB, "fields": ['name`as`a"b`,`name as "',
                                    f"""",(select group_concat(input_parameters) from `tab{JOB}`) as z #",name"""]},
    ),
    "what waits": ("frappe.client.get_list", {"doctype": "ToDo", "fields": ["max(benchmark(9, md5(1))) as x"]}),
    "behind a link": (
        "frappe.client.get_list",
        {"doctype": "ToDo", "fields": [f"""allocated_to.name`as`a"b`, (select max(result) from `tab{JOB}`)z #\""""]},
    ),
    "pluck": (
        "frappe.desk.reportview.get_list",
        {"doctype": "User", "pluck": "name`, (select max(input_parameters) from `tabBackground Job`) as `x"},
    ),
    "a value": ("frappe.client.get_value", {"doctype": "User", "filters": {}, "fieldname": [READ_ALL]}),
    "a report": ("frappe.desk.reportview.get", {"doctype": "User", "fields": [READ_ALL]}),
    "sessions": ("frappe.client.get_list", {"doctype": "User", "fields": ["max((select sid from tabSessions))"]}),
    "a heat map": (
        "frappe.desk.doctype.dashboard_chart.dashboard_chart.get",
        {"chart": {"document_type": "User", "chart_type": "Sum", "type": "Heatmap", "based_on": "creation",
                   "value_based_on": "(select ascii(input_parameters) from `tabBackground Job` limit 1)"}},
    ),
}  # fmt: skip


def test_people_may_write_about_what_only_admins_read(web, job):
    # Seen refused, by a look for such words in all that a request holds.
    writer = factory.user("writer", factory.BETA)
    frappe.db.commit()
    text = "Background Job Run: which worker was it, and where is the traceback? (select one)"
    client = Client(web).with_token(writer)
    answer = client.http.put(f"{web}/api/resource/User/{writer}", json={"bio": text}, timeout=60)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("way", SUB_QUERIES)
def test_a_query_holds_no_other_query(stranger, job, way):
    # Frappe 15 answers with the parameters of all jobs. It looks for a sub-query at the beginning of a field.
    name, body = SUB_QUERIES[way]
    answer = call(stranger, name, **body)
    assert answer.status_code >= 400 or not answer.json()["message"], answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "field",
    [
        READ_BY_ERROR,
        READ_BY_ERROR.replace("s", "ſ"),
        "if(1, sleep(0), `name` -- )",
        f'"count(y)","or bit_or(1) or (select name from `tab{JOB}`) #"',
    ],
)
def test_a_lookup_holds_no_query(stranger, job, field):
    # Frappe 15 looks a value up, of any table, before it asks the list.
    body = {"doctype": "User", "value": "Administrator", "prev": 0, "sort_field": field}
    answer = call(stranger, "frappe.desk.form.utils.get_next", **body)
    assert answer.status_code >= 400
    assert "XPATH" not in answer.text


def test_a_lookup_by_what_is_stored_holds_no_query(stranger, bob, job):
    todo = frappe.get_doc(doctype="ToDo", description="Mine", allocated_to=bob).insert(ignore_permissions=True)
    board = frappe.get_doc(doctype="Kanban Board", kanban_board_name="Test Board", reference_doctype="ToDo")
    board.update({"field_name": READ_BY_ERROR, "owner": bob, "private": 0})
    board.insert(ignore_permissions=True)
    frappe.db.commit()
    name = "frappe.desk.doctype.kanban_board.kanban_board.update_order"
    try:
        answer = call(stranger, name, board_name=board.name, order=json.dumps({"Open": [todo.name]}))
        assert "XPATH" not in answer.text
    finally:
        board.delete(ignore_permissions=True)
        todo.delete(ignore_permissions=True)
        frappe.db.commit()


def test_a_column_that_is_written_has_a_plain_name(stranger, job):
    # Frappe 15 and 16 let anybody name it, and the query builder takes what stands behind a backtick for SQL.
    read = f"description`=(select input_parameters from `tab{JOB}` limit 1),`is_skipped"
    step = frappe.get_doc(
        doctype="Onboarding Step", name="Test Step", title="Test Step", action="Watch Video", description="Mine"
    )
    step.insert(ignore_permissions=True)
    frappe.db.commit()
    try:
        answer = call(stranger, "frappe.desk.desktop.update_onboarding_step", name=step.name, field=read, value=0)
        assert answer.status_code == 403, answer.text
        frappe.db.rollback()
        assert frappe.db.get_value("Onboarding Step", step.name, "description") == "Mine"
        answer = call(stranger, "frappe.desk.desktop.update_onboarding_step", name=step.name, field="idx", value=7)
        assert "SQL" not in answer.text
    finally:
        frappe.db.rollback()
        step.delete(ignore_permissions=True)
        frappe.db.commit()


@pytest.mark.parametrize("limit", [f"1 union select {READ_BY_ERROR}", "(select 1)", "1 procedure analyse(1, 1)", "1;"])
def test_a_number_of_rows_is_a_number(web, stranger, job, limit):
    # Frappe 15 writes it into the query of the blog, which guests may read.
    name, body = "frappe.www.list.get_list_data", {"doctype": "Blog Post", "txt": "a", "limit": limit}
    for client in (stranger, Client(web)):
        answer = call(client, name, **body)
        assert answer.status_code >= 400
        assert answer.json()["exc_type"] == "ValidationError", answer.text
    assert "must be a number" not in call(stranger, name, doctype="Blog Post", limit="20").text


@pytest.mark.parametrize(
    "text", ["Credit Union", "select one", "it's from here -- or there", "Smith (John), and) Co", 'a "quoted; text']
)
@pytest.mark.parametrize("doctype", ["File", "ToDo", "Organization", RUN])
def test_people_may_search_for_words_of_sql(web, alice, doctype, text):
    # Seen refused on Frappe 15, which writes what one looks for into a field of its query.
    client = Client(web).with_token(alice)
    answer = call(client, "frappe.desk.search.search_link", doctype=doctype, txt=text)
    assert answer.status_code == 200, answer.text
    if doctype == RUN:
        assert call(client, "frappe.desk.search.search_link", doctype=RUN, txt="worker").status_code == 200


@pytest.mark.parametrize("operator", ["=", "not descendants of", "descendants of"])
def test_people_may_compare_with_words_of_sql(web, alice, operator):
    # Seen refused on Frappe 15: "Goods from Overseas", after an operator that was not thought of.
    client, filters = Client(web).with_token(alice), [["ToDo", "status", operator, "Goods from Overseas' shop"]]
    answer = call(client, "frappe.client.get_list", doctype="ToDo", filters=filters)
    assert "SQL" not in answer.text
    counted = [[*filters[0], False]]  # as charts and number cards send it
    answer = call(client, "frappe.desk.reportview.get_count", doctype="ToDo", filters=counted, fields=[])
    assert "SQL" not in answer.text


def test_people_may_count_the_values_of_a_field(web, alice):
    # Seen refused on Frappe 15, whose function writes SQL into its filters by itself.
    stats = json.dumps([{"name": "status", "type": "Select"}, {"name": "description", "type": "Text"}])
    name = "frappe.desk.reportview.get_filter_dashboard_data"
    answer = call(Client(web).with_token(alice), name, stats=stats, doctype="ToDo", filters="[]")
    assert "SQL" not in answer.text


def test_people_may_look_for_what_reads_like_a_query(stranger):
    looks_like_one = [["full_name", "!=", "(select one)"]]
    answer = call(stranger, "frappe.client.get_list", doctype="User", filters=looks_like_one, fields=["name"])
    assert answer.status_code == 200, answer.text
