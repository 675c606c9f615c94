"""Holes of functions that have a substitute: here the originals are called."""

from __future__ import annotations

import gzip
import inspect
import json
from typing import Any

import frappe
from frappe import client, email
from frappe.contacts.doctype.contact import contact
from frappe.core.doctype.communication import email as communication_email
from frappe.core.doctype.data_import import data_import
from frappe.core.doctype.user_permission import user_permission
from frappe.desk import calendar, like, listview, notifications, query_report, search
from frappe.desk.doctype.dashboard_chart import dashboard_chart
from frappe.desk.doctype.event import event
from frappe.desk.doctype.kanban_board import kanban_board
from frappe.desk.doctype.notification_log import notification_log
from frappe.desk.doctype.number_card import number_card
from frappe.desk.doctype.tag import tag
from frappe.desk.form import document_follow, utils
from frappe.utils import file_manager, goal
from frappe.workflow.doctype.workflow import workflow
from frappe.www import printview

from dartwing_core.wall.frappe_version import IS_15
from tests.support.holes.scene import (
    JOB,
    ORGANIZATION,
    ROW,
    Scene,
    hole,
    private_file,
    skip_if_pypika_quotes_backticks,
)

BOARDS, LISTS, DOCUMENTS = "substitutes.boards", "substitutes.lists", "substitutes.documents"
CHARTS = "substitutes.charts_and_reports"
VISIBLE_JOBS = 1
"""How many jobs the user of a scene sees."""


# Lists, counts and searches ------------------------------------------------------------------------------------------


@hole(f"{LISTS}.get_count", 15)
def counts_what_nobody_may_read(scene: Scene) -> bool:
    """Frappe counts rows without permissions."""
    return scene.answer(client.get_count, JOB, {"name": scene.hidden}) == 1


@hole(f"{LISTS}.address_query", 15, 16)
def finds_addresses_of_all_by_a_number(scene: Scene) -> bool:
    """Frappe finds addresses of all documents if a number is the name."""
    address = {"doctype": "Address", "address_title": "Test Holed", "address_type": "Billing", "address_line1": "x"}
    link = {"link_doctype": ORGANIZATION, "link_name": scene.organization}  # its name begins with no digit
    values = {**address, "city": "x", "country": "Germany", "links": [link]}
    frappe.get_doc(values).insert(ignore_permissions=True, ignore_links=True)
    return "Test Holed" in scene.told(contact.address_query, json.dumps([{**link, "link_name": 0}]))


@hole(f"{LISTS}.get_workflow_state_count", 15, 16)
def groups_all_rows(scene: Scene) -> bool:
    """Frappe groups all rows by any field."""
    rows = scene.answer(workflow.get_workflow_state_count, JOB, "status", '["x"]')
    return isinstance(rows, list) and sum(row["count"] for row in rows) > VISIBLE_JOBS


@hole(f"{LISTS}.get_open_count", 15, 16)
def counts_all_that_links_to_a_document(scene: Scene) -> bool:
    """Frappe counts hidden rows that link to a document."""
    found = scene.answer(notifications.get_open_count, "Job Type", frappe.db.get_value(JOB, scene.own, "job_type"))
    counts = found["count"]["external_links_found"] if isinstance(found, dict) else []
    return any(link["doctype"] == JOB and link["count"] > VISIBLE_JOBS for link in counts)


@hole(f"{LISTS}.get_monthly_goal_graph_data", 15)
def writes_an_aggregation_into_the_query(scene: Scene) -> bool:
    """Frappe writes an aggregation into the query unchanged."""
    read = f"extractvalue(1, concat(0x7e, (select max(result) from `tab{JOB}`)))+count"
    of_user = {"doctype": "User", "docname": scene.user, "goal_value_field": "idx", "goal_total_field": "idx"}
    of_rows = {"goal_doctype": ROW, "goal_doctype_link": "owner", "goal_field": "idx", "date_field": "creation"}
    more = {"title": "x", "goal_history_field": "bio", "aggregation": read}
    return "XPATH" in scene.told(goal.get_monthly_goal_graph_data, **of_user, **of_rows, **more)


@hole(f"{BOARDS}.update_order", 15, 16)
def tells_in_which_column_a_card_is(scene: Scene) -> bool:
    """Frappe tells whether a hidden row is in a column of a board."""
    values = {"kanban_board_name": "Test Holed", "reference_doctype": "File", "field_name": "attached_to_name"}
    board = frappe.get_doc({"doctype": "Kanban Board", **values}).insert(ignore_permissions=True).name
    right, wrong = (
        scene.outcome(kanban_board.update_order, board, json.dumps({guess: [scene.hidden_file]}))
        for guess in (scene.hidden, "no such")
    )
    return right != wrong


@hole(f"{LISTS}.get_tagged_docs", 15, 16)
def lists_all_that_is_tagged(scene: Scene) -> bool:
    """Frappe lists hidden documents by their tags."""
    frappe.db.set_value(JOB, scene.hidden, "_user_tags", ",holed")
    return scene.hidden in scene.told(tag.get_tagged_docs, JOB, "%holed%")


@hole(f"{LISTS}.get_group_by_count: assignments", 15)
def counts_assignments_of_all_rows(scene: Scene) -> bool:
    """Frappe counts the assignments of hidden rows."""
    todo = {"doctype": "ToDo", "description": "x", "reference_type": JOB, "reference_name": scene.hidden}
    frappe.get_doc({**todo, "name": "TEST-HOLED", "allocated_to": scene.other, "status": "Open"}).db_insert()
    filters = json.dumps([[JOB, "name", "=", scene.hidden]])
    return scene.other in scene.told(listview.get_group_by_count, JOB, filters, "assigned_to")


@hole(f"{LISTS}.get_group_by_count: titles", 16)
def tells_titles_of_what_rows_link_to(scene: Scene) -> bool:
    """Frappe tells titles of hidden documents with counts."""
    return scene.organization_title in scene.told(listview.get_group_by_count, ROW, "[]", "organization")


@hole(f"{LISTS}.search_link", 15)
def searches_without_permissions(scene: Scene) -> bool:
    """Frappe searches without permissions if the request says so."""
    asked = {"filters": {"name": scene.hidden}, "ignore_user_permissions": 1}
    return scene.hidden in scene.told(search.search_link, JOB, "", **asked)


@hole(f"{LISTS}.search_widget", 15)
def searches_the_box_without_permissions(scene: Scene) -> bool:
    """The box of links searches without permissions if the request says so."""
    asked = {"filters": {"name": scene.hidden}, "ignore_user_permissions": 1}
    return scene.hidden in scene.told(search.search_widget, JOB, "", **asked)


# One document --------------------------------------------------------------------------------------------------------


@hole(f"{DOCUMENTS}.get", 15, 16)
def takes_the_first_of_all_rows(scene: Scene) -> bool:
    """Frappe's answer to filters differs for hidden and missing rows."""
    found, missing = (
        scene.outcome(client.get, JOB, filters={"result": ["like", f"%{word}%"]}) for word in (scene.secret, "no such")
    )
    return found != missing


@hole(f"{DOCUMENTS}.validate_link", 15)
def asks_for_the_permission_of_the_doctype_alone(scene: Scene) -> bool:
    """Frappe confirms a link to a hidden document."""
    validate = getattr(client, "validate_link", None)
    return validate is not None and scene.hidden in scene.told(validate, JOB, scene.hidden)


@hole(f"{DOCUMENTS}.get_link_title", 15, 16)
def tells_any_title(scene: Scene) -> bool:
    """Frappe tells the title of a hidden document."""
    return scene.answer(search.get_link_title, ORGANIZATION, scene.organization) == scene.organization_title


@hole(f"{DOCUMENTS}.get_user_permissions", 15, 16)
def tells_what_others_are_bound_to(scene: Scene) -> bool:
    """Frappe tells the User Permissions of another user."""
    bound = {"user": scene.other, "allow": ORGANIZATION, "for_value": scene.organization}
    frappe.get_doc({"doctype": "User Permission", **bound}).insert()
    try:
        return scene.organization in scene.told(user_permission.get_user_permissions, scene.other)
    finally:
        frappe.clear_cache(user=scene.other)


@hole(f"{DOCUMENTS}.get_next", 15, 16)
def compares_any_field_of_any_document(scene: Scene) -> bool:
    """Frappe orders documents by a field of a hidden one."""

    def next_one(error: str) -> Any:
        frappe.db.set_value(JOB, scene.hidden, "error_message", error)
        return scene.answer(utils.get_next, JOB, scene.hidden, 0, sort_field="error_message", sort_order="asc")

    return next_one("a") == scene.own and next_one("z") is None


@hole(f"{DOCUMENTS}.follow_document", 15, 16)
def follows_for_others(scene: Scene) -> bool:
    """Frappe lets a user follow a document for another one."""
    frappe.db.set_value("User", scene.other, "document_follow_notify", 1)
    scene.answer(document_follow.follow_document, ROW, scene.own_row, scene.other)
    return bool(frappe.db.exists("Document Follow", {"ref_docname": scene.own_row, "user": scene.other}))


@hole(f"{DOCUMENTS}.toggle_like", 15, 16)
def writes_a_like_into_any_row(scene: Scene) -> bool:
    """Frappe writes a like into a hidden row."""
    scene.answer(like.toggle_like, ROW, scene.hidden_row, "Yes")
    return scene.user in (frappe.db.get_value(ROW, scene.hidden_row, "_liked_by") or "")


@hole(f"{DOCUMENTS}.mark_as_read", 15, 16)
def marks_notices_of_others_as_read(scene: Scene) -> bool:
    """Frappe marks the notice of another user as read."""
    notice = {"doctype": "Notification Log", "type": "Alert", "for_user": scene.other, "subject": "x"}
    name = frappe.get_doc(notice).insert(ignore_permissions=True).name
    scene.answer(notification_log.mark_as_read, name)
    return bool(frappe.db.get_value("Notification Log", name, "read"))


def tags(scene: Scene) -> str:
    """The tags of the hidden row."""
    return frappe.db.get_value(ROW, scene.hidden_row, "_user_tags") or ""


@hole(f"{DOCUMENTS}.add_tag", 15, 16)
def tags_any_row(scene: Scene) -> bool:
    """Frappe tags a hidden row."""
    scene.answer(tag.add_tag, "holed", ROW, scene.hidden_row)
    return "holed" in tags(scene)


@hole(f"{DOCUMENTS}.add_tags", 15, 16)
def tags_any_rows(scene: Scene) -> bool:
    """Frappe tags several hidden rows."""
    scene.answer(tag.add_tags, '["holed"]', ROW, json.dumps([scene.hidden_row]))
    return "holed" in tags(scene)


@hole(f"{DOCUMENTS}.remove_tag", 15, 16)
def takes_tags_from_any_row(scene: Scene) -> bool:
    """Frappe removes the tag of a hidden row."""
    frappe.db.set_value(ROW, scene.hidden_row, "_user_tags", ",holed")
    scene.answer(tag.remove_tag, "holed", ROW, scene.hidden_row)
    return "holed" not in tags(scene)


@hole(f"{DOCUMENTS}.relink", 15, 16)
def moves_any_communication(scene: Scene) -> bool:
    """Frappe moves a mail that the user may not see."""
    letter = {"doctype": "Communication", "communication_type": "Communication", "subject": "x", "content": "x"}
    name = frappe.get_doc(letter).insert(ignore_permissions=True).name
    scene.answer(email.relink, name, ROW, scene.own_row)
    return frappe.db.get_value("Communication", name, "reference_name") == scene.own_row


@hole(f"{DOCUMENTS}.get_html_and_style", 15, 16, needs_bench=True)  # the standalone site prints nothing
def prints_titles_of_what_a_document_links_to(scene: Scene) -> bool:
    """Frappe prints titles of hidden documents."""
    titles = "{{ doc.get('__link_titles') }}"
    style = {"doctype": "Print Format", "name": "Test Holed", "doc_type": ROW, "standard": "No", "custom_format": 1}
    style = frappe.get_doc({**style, "print_format_type": "Jinja", "html": titles}).insert(ignore_permissions=True)
    sent = {"doctype": ROW, "name": "x", "owner": scene.user, "organization": scene.organization}
    found = scene.told(printview.get_html_and_style, json.dumps(sent), print_format=style.name)
    return scene.organization_title in found


@hole(f"{DOCUMENTS}.add_attachments", 15, 16)
def copies_any_file(scene: Scene) -> bool:
    """Frappe attaches a copy of a hidden file."""
    with private_file("holed.txt", frappe.generate_hash().encode()) as file:
        scene.answer(file_manager.add_attachments, ROW, scene.own_row, [file.name])
        return bool(frappe.db.exists("File", {"file_url": file.file_url, "attached_to_name": scene.own_row}))


@hole(f"{DOCUMENTS}.make", 15, 16)
def mails_any_file(scene: Scene) -> bool:
    """Frappe attaches a hidden file to a mail."""
    with private_file("holed.txt", frappe.generate_hash().encode()) as file:
        scene.answer(communication_email.make, content="x", attachments=[file.name])
        return bool(frappe.db.exists("File", {"file_url": file.file_url, "attached_to_doctype": "Communication"}))


# Charts, calendars and reports ---------------------------------------------------------------------------------------


@hole(f"{CHARTS}.get_chart: heat maps", 15)
def makes_heat_maps_of_all_rows(scene: Scene) -> bool:
    """Frappe counts hidden rows in a heat map."""
    chart = {"document_type": JOB, "chart_type": "Count", "type": "Heatmap", "based_on": "creation"}
    found = scene.answer(inspect.unwrap(dashboard_chart.get), chart={**chart, "filters_json": "[]"})
    return isinstance(found, dict) and sum(found["dataPoints"].values()) > VISIBLE_JOBS


@hole(f"{CHARTS}.get_calendar_events", 15, 16)
def writes_fields_of_a_calendar_into_the_query(scene: Scene) -> bool:
    """Frappe writes the fields of a calendar into the query unchanged."""
    if IS_15:
        end, fields = "2099-01-01", {"start": "creation", "end": "1,1)=1||ifnull(1", "title": "name"}
    else:
        skip_if_pypika_quotes_backticks()
        start = "creation`,'2')='z' or 1=1 or ifnull(`creation"
        end, fields = "0000", {"start": start, "end": "modified", "title": "name"}
    asked = {"start": "2020-01-01", "end": end, "fields": '["name"]', "field_map": json.dumps(fields)}
    return scene.hidden in scene.told(calendar.get_events, JOB, **asked)


@hole(f"{CHARTS}.run_report", 15, 16)
def hands_out_what_was_prepared_for_others(scene: Scene) -> bool:
    """Frappe hands out a report that was prepared for another user."""
    values = {"report_name": "Test Prepared", "ref_doctype": "ToDo", "is_standard": "No", "prepared_report": 1}
    report = frappe.get_doc({"doctype": "Report", "report_type": "Query Report", "query": "select 1", **values})
    report.insert()
    prepared = frappe.get_doc({"doctype": "Prepared Report", "report_name": report.name, "status": "Completed"})
    prepared.update({"name": frappe.generate_hash(), "filters": "{}", "owner": scene.other})
    prepared.db_insert()
    prepared.db_set("owner", scene.other, update_modified=False)
    content = gzip.compress(json.dumps({"columns": [], "result": [[scene.secret]]}).encode())
    attached = {"attached_to_doctype": prepared.doctype, "attached_to_name": prepared.name}
    with private_file(f"{prepared.name}.json.gz", content, **attached):
        return scene.secret in scene.told(query_report.run, report.name, filters="{}", user=scene.other)


@hole(f"{BOARDS}.add_card", 15, 16)
def changes_private_boards(scene: Scene) -> bool:
    """Frappe changes the private board of another user."""
    column = {"column_name": "Failed", "status": "Active", "order": "[]"}
    values = {"kanban_board_name": "Test Private", "reference_doctype": "ToDo", "field_name": "status", "private": 1}
    board = frappe.get_doc({"doctype": "Kanban Board", **values, "columns": [column]}).insert(ignore_permissions=True)
    board.db_set("owner", scene.other)
    return scene.outcome(kanban_board.add_card, board.name, "x", "Failed") == ""


@hole(f"{CHARTS}.get_percentage_difference", 15, 16)
def compares_cards_of_others(scene: Scene) -> bool:
    """Frappe computes the number card of another user."""
    card = {"doctype": "Number Card", "label": "Test Holed", "type": "Document Type", "function": "Count"}
    made = frappe.get_doc({**card, "document_type": JOB, "filters_json": "[]"}).insert(ignore_permissions=True)
    made.db_set("owner", scene.other)
    return scene.outcome(number_card.get_percentage_difference, {"name": made.name}, None, "1") == ""


@hole(f"{CHARTS}.get_events: participants", 15, 16)
def tells_by_participants_of_all_events(scene: Scene) -> bool:
    """Frappe filters events by participants that are hidden."""
    participants = [{"reference_doctype": ORGANIZATION, "reference_docname": scene.organization}]
    values = {"subject": "Test Holed", "starts_on": "2035-01-01 10:00:00", "event_type": "Private"}
    made = frappe.get_doc({"doctype": "Event", **values, "event_participants": participants})
    made.insert(ignore_permissions=True)
    frappe.get_doc({"doctype": "Event", **values}).insert(ignore_permissions=True).db_set("owner", scene.user)
    right, wrong = (
        scene.told(event.get_events, "2035-01-01", "2035-01-02", filters=[_by_participant(name)])
        for name in (scene.organization, "no such")
    )
    return right != wrong


@hole(f"{CHARTS}.get_events: users", 15, 16)
def shows_private_events_of_any_user(scene: Scene) -> bool:
    """Frappe shows the private events of another user."""
    values = {"subject": "Test Holed", "starts_on": "2035-01-01 10:00:00", "event_type": "Private"}
    frappe.get_doc({"doctype": "Event", **values}).insert(ignore_permissions=True).db_set("owner", scene.other)
    return "Test Holed" in scene.told(event.get_events, "2035-01-01", "2035-01-02", user=scene.other)


def _by_participant(name: str) -> list[str]:
    return ["Event Participants", "reference_docname", "=", name]


@hole("substitutes.imports.get_import_status", 15)
def tells_of_imports(scene: Scene) -> bool:
    """Frappe tells the state of an import to everybody."""
    values = {"reference_doctype": "Org Member", "import_type": "Insert New Records", "name": "Test Holed"}
    frappe.get_doc({"doctype": "Data Import", **values}).db_insert()
    return scene.outcome(data_import.get_import_status, "Test Holed") == ""


@hole("substitutes.energy_points.get_energy_points_percentage_chart_data", 15)
def groups_points_by_any_field(scene: Scene) -> bool:
    """Frappe groups another user's points by any field."""
    if not IS_15:
        return False
    ask = frappe.get_attr("frappe.desk.page.user_profile.user_profile.get_energy_points_percentage_chart_data")
    return scene.outcome(ask, scene.other, "reason") == ""
