"""Rows of Frappe's that tell of our documents: notices, filters, cards, charts, titles, children, User Permissions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import frappe
import pytest

from dartwing_core.wall.frappe_version import IS_15
from tests.support import factory, http, named, records, tenants
from tests.support.http import Client, call

JOB = "Background Job"
NOTICE = "Notification Log"
SUBJECT = "Job of Beta has failed"
TITLE = "Secret Beta & Sons"
LINKING = "Test Titled"
ACTORS = ("roleless", "user", "admin_a", "portal")


def removed(*documents) -> None:
    frappe.db.rollback()
    for document in documents:
        frappe.delete_doc(document.doctype, document.name, force=True, ignore_permissions=True)
    frappe.db.commit()


@pytest.fixture(params=ACTORS)
def stranger(request, web) -> Client:
    http.forget_limits()
    return tenants.client_of(request.param, web)


@pytest.fixture
def notice(site) -> Iterator:
    """A notice for somebody of Beta about a job."""
    user = factory.user("m_bert", factory.BETA)
    about = {"document_type": JOB, "document_name": "JOB-1K00000000000000BETA"}
    values = {"doctype": NOTICE, "type": "Alert", "for_user": user, "subject": SUBJECT, **about}
    made = frappe.get_doc(values).insert(ignore_permissions=True)
    frappe.db.commit()
    yield made
    removed(made)


def test_a_notice_about_a_job_is_read_by_whom_it_is_for(stranger, notice, web):
    # Seen failing: Frappe has conditions for lists, and no permission for the document.
    by_user = {"for_user": notice.for_user, "document_type": JOB}
    by_text = {"subject": ["like", "%has failed%"], "document_type": JOB}
    asked = [
        ("frappe.client.get", {"filters": by_user}),
        ("frappe.client.get", {"filters": by_text}),
        ("frappe.client.get", {"name": notice.name}),
        ("frappe.client.get", {"name": 1.5}),
        ("frappe.client.get_list", {"filters": by_user, "fields": ["*"]}),
        ("frappe.client.get_value", {"filters": by_user, "fieldname": ["subject", "document_name"]}),
        ("frappe.desk.form.load.getdoc", {"name": notice.name}),
        ("frappe.client.set_value", {"name": notice.name, "fieldname": "subject", "value": "x"}),
        # The copy that is judged says that it is about something else.
        ("frappe.client.set_value", {"name": notice.name, "fieldname": {"document_type": "ToDo"}}),
        ("frappe.client.set_value", {"name": notice.name, "fieldname": {"for_user": ""}}),
        ("frappe.client.delete", {"name": notice.name}),
    ]
    for method, body in asked:
        answer = call(stranger, method, doctype=NOTICE, **body)
        assert SUBJECT not in answer.text, f"{method} {body}"
        assert notice.document_name not in answer.text, f"{method} {body}"
    answer = stranger.http.get(f"{web}/api/resource/{NOTICE}/{notice.name}")
    assert answer.status_code == 403, answer.text
    frappe.db.rollback()
    assert frappe.db.get_value(NOTICE, notice.name, "subject") == SUBJECT


def test_ones_own_notices_and_those_of_other_doctypes_are_read_as_before(notice, web):
    own = Client(web).with_token(notice.for_user)
    assert call(own, "frappe.client.get", doctype=NOTICE, name=notice.name).json()["message"]["subject"] == SUBJECT
    found = call(own, "frappe.client.get", doctype=NOTICE, filters={"document_name": notice.document_name})
    assert found.json()["message"]["name"] == notice.name
    listed = call(own, "frappe.client.get_list", doctype=NOTICE, filters={"name": notice.name})
    assert len(listed.json()["message"]) == 1
    manager = tenants.client_of("manager", web)
    assert call(manager, "frappe.client.get", doctype=NOTICE, name=notice.name).status_code == 200
    frappe.db.set_value(NOTICE, notice.name, "document_type", "ToDo")
    frappe.db.commit()
    other = tenants.client_of("user", web)
    answer = call(other, "frappe.client.get", doctype=NOTICE, name=notice.name)
    assert answer.status_code == 200, "what Frappe lets an account do with what is not ours"


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


@pytest.mark.parametrize("doctype", [JOB, "Organization", "Job Schedule"])
def test_nobody_discusses_our_documents_on_the_website(site, doctype):
    # Seen failing: Frappe sends each reply, and what it is about, to every visitor of the website.
    topic = {"doctype": "Discussion Topic", "title": "test", "reference_doctype": doctype, "reference_docname": "x"}
    with pytest.raises(frappe.PermissionError, match="can't be discussed"):
        frappe.get_doc(topic).insert(ignore_permissions=True, ignore_links=True)
    with_user = {**topic, "reference_doctype": "User", "reference_docname": "Administrator"}
    frappe.get_doc(with_user).insert(ignore_permissions=True)
    frappe.db.rollback()


@pytest.fixture
def linked(site) -> Iterator[dict]:
    """Documents that everybody reads and that link to an organization which few see."""
    fields = [
        {"fieldname": "organization", "fieldtype": "Link", "options": "Organization", "label": "Organization"},
        {"fieldname": "subject", "fieldtype": "Data", "label": "Subject"},
    ]
    permissions = [{"role": "All", "read": 1, "print": 1, "report": 1}]
    records.make_doctype(LINKING, fields, permissions, module="Core")
    hidden = frappe.get_doc({"doctype": "Organization", "org_name": TITLE, "org_type": "Family"}).insert()
    start = {"subject": "test", "starts_on": "2035-01-01 10:00:00", "event_type": "Public"}
    participants = [{"reference_doctype": "Organization", "reference_docname": hidden.name}]
    event = frappe.get_doc({"doctype": "Event", **start, "event_participants": participants}).insert()
    links = [{"link_doctype": "Organization", "link_name": hidden.name}]
    contact = frappe.get_doc({"doctype": "Contact", "first_name": "test", "links": links}).insert()
    row = frappe.get_doc({"doctype": LINKING, "organization": hidden.name, "subject": "s"}).insert()
    own = frappe.get_doc({"doctype": LINKING, "organization": factory.ALPHA, "subject": "s"}).insert()
    frappe.db.commit()
    yield {"event": event, "contact": contact, "row": row, "own": own, "hidden": hidden}
    frappe.db.rollback()
    for document in (event, contact, row, own):
        frappe.delete_doc(document.doctype, document.name, force=True)
    records.remove_doctypes(LINKING)
    removed(hidden)


def test_the_title_of_a_hidden_organization_is_not_told_with_what_links_to_it(stranger, linked):
    # Seen failing: Frappe adds the titles of all that a document links to.
    event, row = linked["event"].name, linked["row"].name
    asked = [
        ("frappe.desk.form.load.getdoc", {"doctype": "Event", "name": event}),
        ("frappe.desk.form.load.getdoc", {"doctype": LINKING, "name": row}),
        ("frappe.desk.search.get_link_title", {"doctype": "Organization", "docname": linked["hidden"].name}),
        ("frappe.www.printview.get_html_and_style", {"doc": LINKING, "name": row}),
        ("frappe.desk.link_preview.get_preview_data", {"doctype": LINKING, "docname": row}),
        ("frappe.desk.listview.get_group_by_count", {"doctype": LINKING, "current_filters": "[]",
                                                     "field": "organization"}),
    ]  # fmt: skip
    fields = ["name", "organization", "organization.org_name as organization_org_name"]
    for more in ({}, {"as_dict": False}):
        asked.append(("frappe.client.get_list", {"doctype": LINKING, "fields": fields, **more}))
    asked.append(("frappe.desk.reportview.get", {"doctype": LINKING, "fields": json.dumps(fields[1:])}))
    asked.append(("frappe.client.get_list", {"doctype": LINKING, "fields": ["organization.org_name"]}))
    for method, body in asked:
        answer = call(stranger, method, **body)
        assert answer.status_code in (200, 403), answer.text
        assert "Secret Beta" not in answer.text, f"{method} {body}: {answer.text[:300]}"


def test_titles_of_what_one_sees_are_told(web, linked):
    client, title = tenants.client_of("user", web), factory.title_of(factory.ALPHA)
    found = call(client, "frappe.desk.form.load.getdoc", doctype=LINKING, name=linked["own"].name).json()
    assert found["_link_titles"] == {f"Organization::{factory.ALPHA}": title}
    fields = ["organization", "organization.org_name as organization_org_name"]
    listed = call(client, "frappe.client.get_list", doctype=LINKING, fields=fields).json()["message"]
    assert {row["organization_org_name"] for row in listed} - {None} == {title}, "16 lists no others"
    body = {"doctype": LINKING, "current_filters": "[]", "field": "organization"}
    counted = call(client, "frappe.desk.listview.get_group_by_count", **body).json()["message"]
    assert {row.get("title") for row in counted} == ({None} if IS_15 else {None, title})
    manager = tenants.client_of("manager", web)
    found = call(manager, "frappe.desk.form.load.getdoc", doctype="Event", name=linked["event"].name).json()
    assert TITLE in found["_link_titles"].values()


@pytest.mark.parametrize(
    ("parent", "doctype", "fields"),
    [
        ("Contact", "Dynamic Link", ["link_name", "link_title"]),
        ("Event", "Event Participants", ["reference_docname"]),
        ("Event", "Event Participants", ["count(name) as n"]),
    ],
)
def test_child_rows_that_name_hidden_organizations_are_not_listed(stranger, linked, parent, doctype, fields):
    # Seen failing on Frappe 15, which lists those of all documents. 16 lists those of documents that one may read.
    kind = "link_doctype" if doctype == "Dynamic Link" else "reference_doctype"
    asked = {"parent": parent, "filters": json.dumps([[kind, "=", "Organization"]]), "fields": json.dumps(fields)}
    answer = stranger.http.get(f"{stranger.url}/api/resource/{doctype}", params=asked, timeout=60)
    for filters in ({kind: "Organization"}, {}):
        first = call(stranger, "frappe.client.get", doctype=doctype, parent=parent, filters=filters)
        assert linked["hidden"].name not in first.text, first.text
        assert "Secret Beta" not in first.text, first.text
    if IS_15 or parent == "Contact":
        assert "Secret Beta" not in answer.text, answer.text
        rows = answer.json().get("data", []) if answer.status_code == 200 else []
        assert not [row for row in rows if row.get("n") or linked["hidden"].name in row.values()], rows


def test_whom_user_permissions_bind_to_which_organization_is_not_told(stranger, web):
    # Seen failing: Frappe asks whether it is called by its short name, which nobody uses.
    user = factory.user("m_bert", factory.BETA)
    bound = frappe.get_doc(doctype="User Permission", user=user, allow="Organization", for_value=factory.BETA).insert()
    role = frappe.get_doc(doctype="User Permission", user=user, allow="Role", for_value="Guest").insert()
    frappe.db.commit()
    name = "frappe.core.doctype.user_permission.user_permission.get_user_permissions"
    try:
        for spelled in (user, user.upper(), f"{user}\u200b"):
            answer = call(stranger, name, user=spelled)
            assert "Organization" not in answer.text, answer.text
        assert "Role" in call(stranger, name, user=user).text, "what is not ours is as it was"
        own = Client(web).with_token(user)
        for body in ({}, {"user": user}):
            assert call(own, name, **body).json()["message"]["Organization"][0]["doc"] == factory.BETA
        assert "Organization" in call(tenants.client_of("manager", web), name, user=user).text
    finally:
        removed(bound, role)


@pytest.mark.parametrize("actor", ["user", "admin_a", "manager"])
def test_the_entry_under_which_a_job_ran_is_for_system_managers(web, actor):
    # Seen failing: a process runs jobs of many organizations under one entry, which names the first.
    own, entry = tenants.targets("user")["own"].name, "b::JOB-1K00000000000000BETA-1"
    frappe.db.set_value(JOB, own, "rq_job_id", entry)
    frappe.db.commit()
    client = tenants.client_of(actor, web)
    one = call(client, "frappe.client.get", doctype=JOB, name=own)
    some = call(client, "frappe.client.get_list", doctype=JOB, filters={"name": own}, fields=["name", "rq_job_id"])
    found = call(client, "frappe.client.get_list", doctype=JOB, filters={"rq_job_id": entry, "name": own})
    assert [entry in answer.text for answer in (one, some)] == [actor == "manager"] * 2
    assert (own in found.text) == (actor == "manager")
    frappe.db.rollback()


@pytest.mark.parametrize("actor", ["roleless", "guest"])
def test_an_account_without_membership_learns_no_names_of_job_types(web, actor):
    # Seen failing: other answers for types that there are.
    http.forget_limits()
    client = tenants.client_of(actor, web)
    told = []
    for name in ("echo_job", "no_such_job"):
        about = client.get("get_job_type_overview", job_type=name)
        made = client.post("submit_job", job_type=name, organization=factory.ALPHA)
        told.append([(answer.status_code, answer.text.replace(name, "$")) for answer in (about, made)])
    assert told[0] == told[1]
    assert told[0][1][0] in (401, 403)


def test_a_member_learns_what_is_wrong_with_a_job_type(web):
    client = tenants.client_of("portal", web)
    assert client.get("get_job_type_overview", job_type="echo_job").status_code == 200
    for organization, status in ((factory.ALPHA, 400), (factory.BETA, 403)):
        made = client.post("submit_job", job_type="no_such_job", organization=organization)
        assert made.status_code == status, made.text


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


def test_a_notice_about_a_job_is_marked_as_read_by_whom_it_is_for(stranger, notice, web):
    # Seen failing: whoever had its name, of which everybody was told, could silence it.
    method = "frappe.desk.doctype.notification_log.notification_log.mark_as_read"
    answers = [call(stranger, method, docname=name) for name in (notice.name, "nothing")]
    assert answers[0].text == answers[1].text
    frappe.db.rollback()
    assert not frappe.db.get_value(NOTICE, notice.name, "read")
    assert call(Client(web).with_token(notice.for_user), method, docname=notice.name).status_code == 200
    frappe.db.rollback()
    assert frappe.db.get_value(NOTICE, notice.name, "read")


@pytest.mark.parametrize(
    "spelled", ["Organization/{}", "//Organization/{}", "Organization%2F{}", "organization/{}.html"]
)
@pytest.mark.parametrize("actor", [*ACTORS, "guest"])
def test_the_page_of_a_hidden_document_is_that_of_a_missing_one(web, actor, spelled):
    # Seen failing on Frappe 15: guests told by it which old organizations there are.
    client = Client(web) if actor == "guest" else tenants.client_of(actor, web)
    with named.old_organization("Test Paged One"):
        frappe.db.commit()
        pages = [
            client.http.get(f"{web}/{spelled.format(name)}", timeout=60)
            for name in ("Test Paged One", "Test Paged Two")
        ]
    told = [(page.status_code, page.text.replace("Two", "One").count("\n")) for page in pages]
    titles = [
        re.findall("<title>(.*?)</title>|<meta name=.title. content=.(.*?).>", page.text, re.DOTALL) for page in pages
    ]
    assert (told[0], titles[0]) == (told[1], titles[1])
    assert "Traceback" not in pages[0].text


def test_the_page_of_ones_own_document_is_there(web):
    client = tenants.client_of("admin_b", web)
    assert client.http.get(f"{web}/Organization/{factory.BETA}", timeout=60).status_code == 200


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


def test_charts_that_group_by_a_link_to_ours_tell_no_hidden_titles(web, linked):
    # Seen failing on 16, which puts titles in place of names.
    chart = {"chart_type": "Group By", "document_type": LINKING, "group_by_type": "Count", "filters_json": "[]",
             "group_by_based_on": "organization", "type": "Bar", "name": "test"}  # fmt: skip
    run = "frappe.desk.doctype.dashboard_chart.dashboard_chart.get"
    for actor in ("roleless", "user"):
        answer = call(tenants.client_of(actor, web), run, chart=json.dumps(chart), no_cache=1)
        assert TITLE not in answer.text
        assert len(answer.json()["message"]["labels"]) == 2
    answer = call(tenants.client_of("manager", web), run, chart=json.dumps(chart), no_cache=1)
    assert IS_15 or TITLE in answer.text


@pytest.mark.parametrize("parent", ["System Settings", "system settings", "Website Settings ", "User", "ToDo"])
def test_a_parent_that_rows_do_not_have_takes_no_permission_away(web, notice, parent):
    # Seen failing on 16: with a Single for a parent Frappe adds no permissions, and listed all tenants' jobs.
    target = tenants.targets("user")["beta"]
    for actor in ("roleless", "user", "former"):
        client = tenants.client_of(actor, web)
        http.forget_limits()
        for doctype in (JOB, "Job Execution Log", "Organization", "Org Member", "File", NOTICE):
            everything = {"doctype": doctype, "fields": ["*"], "parent": parent, "limit_page_length": 0}
            view = {"doctype": doctype, "fields": '["*"]', "parent_doctype": parent}
            answers = [
                call(client, "frappe.client.get_list", **everything),
                call(client, "frappe.desk.reportview.get_list", **view),
                call(client, "frappe.desk.reportview.get", **view),
                client.http.get(f"{web}/api/resource/{doctype}", params={"fields": '["*"]', "parent": parent}),
            ]
            for answer in answers:
                for secret in (target.name, target.secret, SUBJECT, notice.for_user):
                    assert secret not in answer.text, f"{actor}: {doctype}"
        counted = call(
            client, "frappe.client.get_count", doctype=JOB, filters={"name": target.name}, parent_doctype=parent
        )
        assert counted.json().get("message") in (None, 0)


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
