"""Saved filters, cards, charts and boards about our documents are their makers' until they are published."""

from __future__ import annotations

import json
from collections.abc import Iterator

import frappe
import pytest

from tests.support import factory, tenants
from tests.support.http import Client, call
from tests.support.rows_about_ours import JOB, SUBJECT, removed


@pytest.fixture
def filters(site) -> Iterator[dict]:
    """Saved filters of somebody of Beta: for themselves on jobs and on ToDo, and for everybody on jobs."""
    user = factory.user("m_bert", factory.BETA)
    made = {}
    for name, doctype, owner in (("own", JOB, user), ("other", "ToDo", user), ("shared", JOB, "")):
        values = {"filter_name": f"test {name}", "filters": f'[["{SUBJECT}"]]', "for_user": owner}
        row = frappe.get_doc({"doctype": "List Filter", "reference_doctype": doctype, **values})
        made[name] = row.insert(ignore_permissions=True)
    frappe.db.commit()
    yield made
    removed(*made.values())


@pytest.mark.parametrize("actor", ["user", "admin_a"])
def test_filters_that_somebody_saved_for_the_list_of_jobs_are_theirs(web, filters, actor):
    # Seen failing: Frappe lists them to all who have Desk, with the values that are looked for.
    client = tenants.client_of(actor, web)
    listed = call(client, "frappe.client.get_list", doctype="List Filter", filters={"filter_name": ["like", "test %"]},
                  fields=["filter_name", "filters"])  # fmt: skip
    assert {row["filter_name"] for row in listed.json()["message"]} == {"test other", "test shared"}
    assert call(client, "frappe.client.get", doctype="List Filter", name=filters["own"].name).status_code == 403
    for name in ("other", "shared"):
        assert call(client, "frappe.client.get", doctype="List Filter", name=filters[name].name).status_code == 200
    for change in ({"for_user": ""}, {"reference_doctype": "ToDo"}):
        body = {"doctype": "List Filter", "name": filters["own"].name, "fieldname": change}
        assert call(client, "frappe.client.set_value", **body).status_code == 403, "the row says whose it is"
    own = Client(web).with_token(filters["own"].for_user)
    assert call(own, "frappe.client.get", doctype="List Filter", name=filters["own"].name).status_code == 200


CARD, CHART = "Number Card", "Dashboard Chart"


@pytest.fixture
def cards(site) -> Iterator[dict]:
    """Cards and charts of somebody of Beta and of Administrator, with what they look for."""
    user = factory.user("m_bert", factory.BETA)
    card = {"doctype": CARD, "type": "Document Type", "function": "Count", "label": "test card"}
    chart = {"doctype": CHART, "chart_type": "Count", "based_on": "creation", "timeseries": 1, "timespan": "Last Year"}
    made = {}
    for name, owner, doctype, is_public in (
        ("own", user, JOB, 0),
        ("other", user, "ToDo", 0),
        ("public", user, JOB, 1),
        ("by_admin", "Administrator", JOB, 0),
    ):
        values = {"document_type": doctype, "is_public": is_public, "filters_json": f'[["{SUBJECT}"]]'}
        for kind in (card, {**chart, "chart_name": f"test chart {name}"}):
            row = frappe.get_doc({**kind, **values}).insert(ignore_permissions=True, ignore_mandatory=True)
            row.db_set("owner", owner)
            made[kind["doctype"], name] = row
    frappe.db.commit()
    yield made
    removed(*made.values())


@pytest.mark.parametrize("kind", [CARD, CHART])
@pytest.mark.parametrize("actor", ["user", "admin_a"])
def test_cards_and_charts_of_jobs_are_their_makers_until_they_are_published(web, cards, kind, actor):
    # Seen failing: Frappe shows the filters of each to all who may read the DocType.
    client = tenants.client_of(actor, web)
    rows = {name: row for (of_kind, name), row in cards.items() if of_kind == kind}
    names = {"name": ["in", [row.name for row in rows.values()]]}
    listed = call(client, "frappe.client.get_list", doctype=kind, filters=names, fields=["name", "filters_json"])
    expected = {rows[name].name for name in ("other", "public", "by_admin")}
    assert {row["name"] for row in listed.json()["message"]} == expected
    assert call(client, "frappe.client.get", doctype=kind, name=rows["own"].name).status_code == 403
    for name in ("other", "public", "by_admin"):
        assert call(client, "frappe.client.get", doctype=kind, name=rows[name].name).status_code == 200
    own = Client(web).with_token(rows["own"].owner)
    assert call(own, "frappe.client.get", doctype=kind, name=rows["own"].name).status_code == 200


@pytest.fixture
def indirect(site) -> Iterator[list]:
    """A card on a report of ours, one of a function of ours and a chart on a report of ours, of somebody of Beta."""
    user = factory.user("m_bert", factory.BETA)
    report = {"report_name": "Job Type Performance", "filters_json": f'{{"organization": "{SUBJECT}"}}'}
    card = {"doctype": CARD, "function": "Count", "label": "test card"}
    chart = {"doctype": CHART, "chart_name": "test chart of a report", "chart_type": "Report", "timeseries": 0}
    method = {"method": "dartwing_core.api.desk.running_jobs", "filters_json": f'["{SUBJECT}"]'}
    kinds = [
        {**card, "type": "Report", **report, "report_field": "jobs", "report_function": "Sum"},
        {**card, "type": "Custom", **method},
        {**chart, **report},
    ]
    made = [frappe.get_doc(kind).insert(ignore_permissions=True, ignore_mandatory=True) for kind in kinds]
    for row in made:
        row.db_set("owner", user)
    frappe.db.commit()
    yield made
    removed(*made)


@pytest.mark.parametrize("actor", ["user", "admin_a"])
def test_nor_are_they_found_by_a_search_without_permissions(web, indirect, actor):
    # Seen failing on 15, for which a link field may say so.
    client = tenants.client_of(actor, web)
    for row in indirect:
        asked = {"doctype": row.doctype, "txt": "", "ignore_user_permissions": 1, "page_length": 1_000}
        found = call(client, "frappe.desk.search.search_widget", **asked, filter_fields='["filters_json"]')
        assert SUBJECT not in found.text
        assert row.name not in found.text


@pytest.mark.parametrize("actor", ["user", "admin_a", "former"])
def test_so_are_those_on_reports_and_functions_of_ours(web, indirect, actor):
    # Seen failing on 16: these rows name no DocType.
    client = tenants.client_of(actor, web)
    for row in indirect:
        listed = call(client, "frappe.client.get_list", doctype=row.doctype, filters={"name": row.name}, fields=["*"])
        assert SUBJECT not in listed.text
        assert row.name not in listed.text
        assert SUBJECT not in call(client, "frappe.client.get", doctype=row.doctype, name=row.name).text
        own = Client(web).with_token(row.owner)
        assert call(own, "frappe.client.get_list", doctype=row.doctype, filters={"name": row.name}).json()["message"]


def test_a_chart_or_card_of_somebody_else_runs_for_nobody_by_its_name(web, cards):
    # Seen failing: it told whether one's own jobs match the private filters of another.
    client = tenants.client_of("user", web)
    chart, card = cards[CHART, "own"], cards[CARD, "own"]
    run = "frappe.desk.doctype.dashboard_chart.dashboard_chart.get"
    compare = "frappe.desk.doctype.number_card.number_card.get_percentage_difference"
    assert call(client, run, chart_name=chart.name).status_code == 404
    assert call(client, run, chart_name=cards[CHART, "other"].name).status_code != 404
    answers = [call(client, compare, doc={"name": name}, filters=[], result="1") for name in (card.name, "none")]
    assert [answer.status_code for answer in answers] == [404, 404]


def test_nobody_hears_of_cards_and_assignments_about_ours(site, cards, monkeypatch):
    # Seen failing: Frappe tells the name to everybody who has a list of them open.
    told: list[str] = []
    publish = frappe.publish_realtime
    monkeypatch.setattr(frappe, "publish_realtime", lambda *given, **named: told.append(str((given, named))) or publish)
    for (_kind, name), row in cards.items():
        told.clear()
        frappe.get_doc(row.doctype, row.name).save(ignore_permissions=True)
        assert any(row.name in text for text in told) is (name == "other")
    frappe.db.rollback()


@pytest.fixture
def board(site) -> Iterator:
    """A Kanban Board of an admin of Beta on schedules, and one on files."""
    admin = factory.user("m_admin_b", factory.BETA, roles=("Dartwing Admin",), org_role="Admin")
    made = []
    for kind, field in (("Job Schedule", "title"), ("File", "attached_to_name")):
        values = {"kanban_board_name": f"Test {kind}", "reference_doctype": kind, "field_name": field, "private": 1}
        made.append(frappe.get_doc({"doctype": "Kanban Board", **values}).insert(ignore_permissions=True))
        frappe.db.set_value("Kanban Board", made[-1].name, "owner", admin)
    frappe.db.commit()
    yield made
    removed(*made)


UPDATE_ORDER = "frappe.desk.doctype.kanban_board.kanban_board.update_order"


def test_a_board_tells_nothing_of_the_rows_of_others(web, board):
    # Seen failing: a right guess answered 200 and a wrong one 404, for any field of any schedule.
    secret = frappe.get_doc({"doctype": "File", "file_name": "hidden.txt", "content": "x", "is_private": 1})
    secret.update({"attached_to_doctype": "Organization", "attached_to_name": factory.ALPHA}).insert()
    frappe.db.commit()
    client = tenants.client_of("admin_b", web)
    schedules, files = board
    told = []
    try:
        for name, guess, card in (
            (schedules.name, "right?", 0),
            (schedules.name, "wrong?", "x"),
            (files.name, factory.ALPHA, secret.name),
            (files.name, "wrong?", secret.name),
        ):
            told.append(call(client, UPDATE_ORDER, board_name=name, order=json.dumps({guess: [card]})).status_code)
    finally:
        removed(secret)
    assert set(told) == {200}


def test_a_private_board_on_ours_is_its_owners(stranger, board, web):
    # Seen failing: whoever knew its name got it whole, with its filters.
    for name in (board[0].name, 0):  # to the database 0 is each name that begins with no digit
        found = call(stranger, UPDATE_ORDER, board_name=name, order="{}")
        assert found.status_code in (403, 404), found.text
        assert "Job Schedule" not in found.text.replace(board[0].name, "")


def test_a_card_that_names_its_module_is_in_no_list_of_others(web):
    # Seen failing on Frappe 15, with its filters: an `or` in Frappe's condition let it pass by ours.
    maker = Client(web).with_token(tenants.email_of("admin_a"))
    values = {"document_type": JOB, "label": "Test Card", "function": "Count", "module": "Dartwing Core"}
    values["filters_json"] = json.dumps([[JOB, "organization", "=", "s3cret-filter", False]])
    card = call(maker, "frappe.desk.doctype.number_card.number_card.create_number_card", args=json.dumps(values))
    assert card.status_code == 200, card.text
    name = card.json()["message"]["name"]
    other = Client(web).with_token(factory.user("card_desk", factory.BETA, roles=("Dartwing User", "Desk User")))
    named = {"fields": json.dumps(["name", "filters_json"]), "limit_page_length": 0}
    for client, is_seen in ((maker, True), (other, False)):
        answer = client.http.get(f"{web}/api/resource/Number Card", params=named, timeout=60)
        assert (name in answer.text, "s3cret-filter" in answer.text) == (is_seen, is_seen)
    removed(frappe.get_doc("Number Card", name))
