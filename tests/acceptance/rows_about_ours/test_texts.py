"""Texts that people send stay texts: names of functions, quotes and backslashes."""

from __future__ import annotations

import json

import frappe

from tests.support import tenants
from tests.support.http import call
from tests.support.rows_about_ours import JOB, removed

TAKES = "frappe.desk.treeview.get_all_nodes"


def test_names_of_functions_are_data_but_where_frappe_calls_them(web, site):
    # Seen failing: 403 for everybody, Administrator too, and 417 for more than fifty names of files.
    client = tenants.client_of("user", web)
    made = client.http.post(f"{web}/api/resource/Note", json={"title": "frappe.client.get"})
    assert made.status_code == 200, made.text
    name = made.json()["data"]["name"]
    for value in ("frappe.client.get_count", "frappe.desk.like.toggle_like"):
        body = {"doctype": "Note", "name": name, "fieldname": "content", "value": value}
        assert call(client, "frappe.client.set_value", **body).status_code == 200
    many = {f"field_{number}": f"scan{number}.pdf" for number in range(200)}
    assert client.http.post(f"{web}/api/resource/Note", json={"title": "test scans", **many}).status_code == 200
    assert call(client, "ping", **many).status_code == 200
    for method, key in ((TAKES, "tree_method"), ("frappe.model.mapper.make_mapped_doc", "method"),
                        ("frappe.desk.search.search_link", "query")):  # fmt: skip
        more = {"doctype": JOB, "label": "x", "parent": "x", "source_name": "x", "txt": "", "filters": {}}
        answer = call(client, method, **more, **{key: "frappe.client.get_count"})
        assert answer.status_code == 403, answer.text
    frappe.db.rollback()
    frappe.db.delete("Note", {"title": ["in", ["frappe.client.get", "test scans"]]})
    frappe.db.commit()


def test_no_value_ends_its_quotes_in_a_query_that_becomes_text(web):
    # Seen failing on 16: the query builder doubles quotes, and leaves a backslash before one as it is.
    filters = {"name": "x\\", "status": " AND 0) p having 0 union select 4242 -- "}
    for actor in ("roleless", "user"):
        client = tenants.client_of(actor, web)
        for path in ("frappe.client.get_count", "frappe.desk.reportview.get_count"):
            answer = call(client, path, doctype="ToDo", filters=json.dumps(filters))
            assert "4242" not in answer.text
            assert "4242" not in call(client, path, doctype="ToDo", filters=json.dumps(filters), limit=10).text


def test_texts_with_backslashes_are_counted_as_they_are(web, site):
    todo = frappe.get_doc({"doctype": "ToDo", "description": "C:\\new\\%table"}).insert()
    user = tenants.email_of("user")
    todo.db_set({"owner": user, "allocated_to": user})
    frappe.db.commit()
    client = tenants.client_of("user", web)
    for value in ("C:\\new\\%table", "x\\"):
        for path in ("frappe.client.get_count", "frappe.client.get_list"):
            filters = json.dumps([["description", "=", value]])
            found = call(client, path, doctype="ToDo", filters=filters).json()["message"]
            assert (found if isinstance(found, int) else len(found)) == (value != "x\\")
    removed(todo)
