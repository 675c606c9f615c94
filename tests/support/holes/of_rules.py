"""Holes that the rules of the wall close, except those of the substitutes."""

from __future__ import annotations

import inspect
import json
from typing import Any
from unittest import mock

import frappe
import pytest
from frappe import client
from frappe.core.doctype.file.file import File as FrappesFile
from frappe.desk import desktop, reportview
from frappe.desk.doctype.event import event
from frappe.desk.form import load, utils
from frappe.email import email_body
from frappe.model import base_document, document, meta, workflow
from frappe.website.page_renderers.print_page import PrintPage
from frappe.www import printview

from dartwing_core.jobs.access.desk_access import CHECKS_READS
from tests.support import web_request
from tests.support.holes.scene import (
    JOB,
    ORGANIZATION,
    ROW,
    Scene,
    hole,
    private_file,
    skip_if_pypika_quotes_backticks,
)

READ_BY_ERROR = f"(select extractvalue(1, y) from (select concat(0x7e, max(result)) y from `tab{JOB}`) z)"
"""A query whose error tells what it has read."""
TOLD_BY_ERROR = "XPATH"


@hole("guard: a function is called by one name", 15, 16)
def is_served_under_another_name(scene: Scene) -> bool:
    """Frappe serves a function under the name of another module that imports it."""
    # The substitute for `follow_document` refuses this.
    arguments = {"doctype": JOB, "doc_name": scene.hidden, "user": scene.other}
    with web_request.made("POST", "/api/method/frappe.share.follow_document", scene.user, arguments):
        return scene.outcome(_called, "frappe.share.follow_document", arguments) == ""


def _called(command: str, arguments: dict[str, str]) -> Any:
    frappe.local.form_dict = frappe._dict(arguments)
    return frappe.get_module("frappe.handler").execute_cmd(command)


@hole("guard: RQ Job is for those who have a role for it", 15)
def lists_jobs_of_rq(scene: Scene) -> bool:
    """Frappe lists RQ's jobs for everybody."""
    return scene.outcome(_listed, "RQ Job") == ""


@hole("guard: RQ Worker is for those who have a role for it", 15, 16)
def lists_workers_of_rq(scene: Scene) -> bool:
    """Frappe lists RQ's workers for everybody."""
    return scene.outcome(_listed, "RQ Worker") == ""


def _listed(doctype: str) -> Any:
    frappe.local.form_dict = frappe._dict(doctype=doctype, fields='["name"]', filters="[]")
    return reportview.get_list()


@hole("guard: the name of a document is text", 15, 16)
def takes_filters_for_a_name(scene: Scene) -> bool:
    """Frappe looks up the first row that filters in place of a name match."""
    found, missing = (
        scene.outcome(client.get, "File", {"file_name": ["like", f"{word}%"]}) for word in (scene.secret, "no such")
    )
    return found != missing


@hole("guard: a number of rows is a number", 15)
def writes_the_number_of_rows_into_the_query(scene: Scene) -> bool:
    """Frappe writes the number of rows into the query unchanged."""
    limit = f'") union select {", ".join(["result"] * 19)} from `tab{JOB}` where name = "{scene.hidden}" -- '
    return scene.secret in scene.told(_blog, limit)


def _blog(limit: str) -> Any:
    find = frappe.get_attr("frappe.website.doctype.blog_post.blog_post.get_blog_list")
    return find("Blog Post", txt="a", limit_page_length=limit)


@hole("guard: a document that is named is one that the user sees", 15, 16)
def tells_which_documents_are_there(scene: Scene) -> bool:
    """Frappe's refusal to delete differs for hidden and missing documents."""
    found, missing = (scene.outcome(client.delete, ORGANIZATION, name) for name in (scene.organization, "no such"))
    return found != missing


@hole("links", 15, 16)
def copies_through_links(scene: Scene) -> bool:
    """Frappe copies a field of a hidden document through a link."""

    def insert() -> Any:
        return frappe.get_doc({"doctype": ROW, "job": scene.hidden}).insert().error

    return scene.answer(insert) == scene.secret


@hole("link_titles: of forms", 15, 16)
def tells_titles_with_a_form(scene: Scene) -> bool:
    """Frappe sends titles of hidden documents with a form."""
    row = frappe.get_doc(ROW, scene.own_row)
    titles = scene.told(load.get_title_values_for_link_and_dynamic_link_fields, row)
    return scene.organization_title in titles


@hole("link_titles: of prints", 15, 16)
def tells_titles_with_a_print(scene: Scene) -> bool:
    """Frappe sends titles of hidden documents with a print."""
    row = frappe.get_doc(ROW, scene.own_row)
    scene.answer(printview.set_title_values_for_link_and_dynamic_link_fields, row.meta, row)
    return scene.organization_title in str(row.get("__link_titles"))


@hole("sent_names", 15, 16)
def looks_up_what_filters_match(scene: Scene) -> bool:
    """Frappe loads the row that filters in the name of a sent document match."""
    found, missing = (
        scene.outcome(
            workflow.get_transitions, json.dumps({"doctype": "File", "name": {"file_name": ["like", f"{word}%"]}})
        )
        for word in (scene.secret, "no such")
    )
    return found != missing


@hole("query_rules: hidden fields in filters", 15)
def filters_by_hidden_fields(scene: Scene) -> bool:
    """Frappe filters a list by a field of a higher permission level."""
    frappe.db.set_value(JOB, scene.own, "rq_job_id", "s3cret-entry")
    return scene.own in scene.told(frappe.get_list, JOB, filters={"rq_job_id": "s3cret-entry"})


@hole("query_rules: functions of hidden fields", 15)
def tells_functions_of_hidden_fields(scene: Scene) -> bool:
    """Frappe lists functions of a field of a higher permission level."""
    frappe.db.set_value(JOB, scene.own, "rq_job_id", "s3cret-entry")
    spellings = (
        ["count(name), rq_job_id"],
        ["ifnull(rq_job_id, '') as x"],
        [{"MAX": "rq_job_id", "as": "x"}],
        [{"IFNULL": ["rq_job_id", "''"], "as": "x"}],
    )
    return any("s3cret-entry" in scene.told(frappe.get_list, JOB, fields=fields) for fields in spellings)


@hole("query_rules: fields behind links", 15)
def joins_what_a_link_leads_to(scene: Scene) -> bool:
    """Frappe lists fields of hidden documents behind a link."""
    return scene.secret in scene.told(frappe.get_list, ROW, fields=["job.result"])


@hole("query_rules: a query within a field", 15)
def takes_a_query_in_a_field(scene: Scene) -> bool:
    """Frappe runs a second query in a field of a list."""
    column = f"max((select group_concat(result) from `tab{JOB}`)) as x"
    return scene.secret in scene.told(frappe.get_list, ROW, fields=[column])


@hole("query_rules: a filter that is text", 15)
def takes_sql_for_a_filter(scene: Scene) -> bool:
    """Frappe writes a filter that is text into the query."""
    return scene.hidden in scene.told(frappe.get_list, JOB, filters=["1=1 or 1=1"])


@hole("lookup_rules: lookups", 15)
def takes_a_query_in_a_lookup(scene: Scene) -> bool:
    """Frappe runs a second query in the order of a lookup."""
    found = scene.told(utils.get_next, ROW, scene.own_row, 0, sort_field=f"(select name from `tab{JOB}`)")
    return "Subquery returns more than 1 row" in found


@hole("query_rules: backticks in names of columns", 15, 16)
def takes_sql_in_the_name_of_a_column(scene: Scene) -> bool:
    """PyPika lets a backtick end the name of a column."""
    skip_if_pypika_quotes_backticks()
    step = {"doctype": "Onboarding Step", "name": "Test Step", "title": "Test Step", "action": "Watch Video"}
    name = frappe.get_doc({**step, "description": "Mine"}).insert(ignore_permissions=True).name
    column = f"description`=(select result from `tab{JOB}` where name='{scene.hidden}'),`is_skipped"
    scene.answer(desktop.update_onboarding_step, name, column, 0)
    return scene.secret in str(frappe.db.get_value("Onboarding Step", name, "description"))


@hole("stored_queries", 15)
def runs_stored_queries_as_somebody_else(scene: Scene) -> bool:
    """Frappe makes a stored report with the permissions of another user."""
    column = f"name` or (select extractvalue(1, concat(0x7e, max(result))) from `tab{JOB}`) as `x"
    report = {"doctype": "Report", "report_name": "Test Stored", "ref_doctype": "Note", "is_standard": "No"}
    asked = json.dumps({"fields": [[column, "Note"]]})
    report = frappe.get_doc({**report, "report_type": "Report Builder", "json": asked})
    return TOLD_BY_ERROR in scene.told(report.get_data, user="Administrator")


@hole("statement_rules: values between quotes", 15, 16)
def fills_values_in_between_quotes(scene: Scene) -> bool:
    """Frappe fills a value into a placeholder that a filter holds."""
    filters = '[["Event", "subject", "=", "A%(user)sB"]]'
    day = frappe.utils.getdate("2026-01-01")
    return TOLD_BY_ERROR in scene.told(event.get_events, day, day, user=f" or {READ_BY_ERROR} or ", filters=filters)


@hole("statement_rules: sessions and passwords", 15)
def counts_sessions(scene: Scene) -> bool:
    """Frappe counts the rows of a table that is no DocType."""
    return isinstance(scene.answer(client.get_count, "Sessions", {}), int)


@hole("web_pages", 15)
def tells_by_pages_which_documents_are_there(scene: Scene) -> bool:
    """Frappe's pages differ for hidden and missing documents."""
    found, missing = (
        scene.answer(lambda name=name: PrintPage(f"{ORGANIZATION}/{name}").can_render())
        for name in (scene.organization, "no such")
    )
    return found != missing


@hole("select_values", 15, 16)
def compares_values_before_it_strips_them(scene: Scene) -> bool:
    """Frappe accepts a value of a Select field with a blank at its end."""
    values = {"report_name": "Test Hole", "ref_doctype": "Note", "report_type": "Query Report", "query": "select 1"}
    report = frappe.get_doc({"doctype": "Report", **values, "is_standard": "No "})
    is_tested = {"in_test": False}  # then Frappe asks nobody for a role
    with mock.patch.dict(frappe.flags, is_tested), mock.patch.object(frappe, "in_test", False, create=True):
        return scene.outcome(report.insert, ignore_permissions=True) == ""


@hole("currencies", 15, 16)
def reads_currencies_from_any_row(scene: Scene) -> bool:
    """Frappe reads a currency from any column of any hidden document."""
    field = frappe._dict(fieldname="amount", options=f"{ORGANIZATION}:title:org_name")
    row = frappe._dict(doctype="Note", name="x", title=scene.organization)
    return scene.told(inspect.unwrap(meta.get_field_currency), field, row) == frappe.as_json(scene.organization_title)


@hole("stored_scripts", 15, 16)
def leaves_scripts_in_texts_that_are_json(scene: Scene) -> bool:
    """Frappe leaves HTML in a text that is JSON."""
    text = json.dumps(["<img src=x onerror=alert(1)>"])
    return inspect.unwrap(base_document.sanitize_html)(text) == text


@hole("navigation", 15, 16)
def takes_a_page_for_somebody_else(scene: Scene) -> bool:
    """Frappe accepts a private page that a user makes for another one."""
    values = {"label": "Test Hole", "title": "Test Hole", "public": 0, "for_user": "Administrator", "content": "[]"}
    made = frappe.get_doc({"doctype": "Workspace", **values})
    return scene.outcome(made.run_method, "validate") == ""


@hole("document_cache", 15, 16)
def gives_kept_documents_to_everybody(scene: Scene) -> bool:
    """Frappe gives a cached document to users who may not see it."""
    frappe.flags[CHECKS_READS] = True
    holder = document if hasattr(document, "can_cache_doc") else frappe
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holder, "can_cache_doc", inspect.unwrap(holder.can_cache_doc))
            frappe.get_cached_doc(ORGANIZATION, scene.organization)
            return scene.organization_title in scene.told(frappe.get_cached_doc, ORGANIZATION, scene.organization)
    finally:
        frappe.flags.pop(CHECKS_READS)
        frappe.clear_document_cache(ORGANIZATION, scene.organization)


@hole("exports", 15, 16)
def exports_formulas(scene: Scene) -> bool:
    """Frappe exports a text that a spreadsheet takes for a formula."""
    asked = {"doctype": ROW, "fields": '["subject"]', "filters": "[]", "file_format_type": "CSV", "title": "x"}

    def export() -> str | None:
        frappe.local.form_dict = frappe._dict(asked)
        frappe.local.response = frappe._dict(docs=[])
        reportview.export_query()
        content = frappe.local.response.get("filecontent") or frappe.local.response.get("result")
        return content.decode() if isinstance(content, bytes) else content

    scene.user = "Administrator"
    cells = [cell.strip('"') for line in str(scene.answer(export)).splitlines() for cell in line.split(",")]
    return "=1+1" in cells


@hole("mail_files", 15, 16)
def brings_any_file_along(scene: Scene) -> bool:
    """Frappe embeds any file that the text of a mail names."""
    url = frappe.db.get_value("File", scene.hidden_file, "file_url")
    return scene.secret in scene.told(lambda: str(email_body.replace_filename_with_cid(f'x embed="{url}"')[1]))


@hole("file_rules: only files are read", 15, 16)
def reads_all_of_the_sites_folder(scene: Scene) -> bool:
    """Frappe reads a file outside of the folders of files."""
    values = {"file_url": "/private/files/../../site_config.json", "file_name": "test-x.json", "is_private": 1}
    return "db_name" in scene.told(lambda: frappe.get_doc({"doctype": "File", **values}).insert().get_content())


@hole("copied_files: addresses", 15, 16)
def takes_the_address_of_any_file(scene: Scene) -> bool:
    """Frappe lets a new File have the address of another one's bytes."""
    with private_file("holed.txt", frappe.generate_hash().encode()) as file:
        values = {"doctype": "File", "file_url": file.file_url, "file_name": "x.txt", "is_private": 1}
        copy = scene.answer(lambda: frappe.get_doc(values).insert())
        return getattr(copy, "file_url", None) == file.file_url


@hole("copied_files: Files of others", 15, 16)
def takes_over_any_file(scene: Scene) -> bool:
    """Frappe lets anybody attach a File of another user to an own document."""
    with private_file("holed.txt", frappe.generate_hash().encode()) as file:
        scene.answer(client.set_value, "File", file.name, _attached(scene.own_row))
        return frappe.db.get_value("File", file.name, "attached_to_name") == scene.own_row


def _attached(row: str) -> dict[str, str]:
    return {"attached_to_doctype": ROW, "attached_to_name": row}


@hole("file_places", 15, 16)
def deletes_what_a_thumbnail_names(scene: Scene) -> bool:
    """Frappe deletes the bytes that the thumbnail of a File names."""
    with private_file("holed.txt", frappe.generate_hash().encode()) as file:
        own = frappe.get_doc({"doctype": "File", "thumbnail_url": file.file_url})
        scene.answer(FrappesFile.delete_file_from_filesystem, own, only_thumbnail=True)
        return not file.exists_on_disk()


@hole("shown_files", 15, 16)
def writes_an_address_into_any_field(scene: Scene) -> bool:
    """Frappe writes the address of a published file into a hidden row."""
    about = {"attached_to_doctype": ROW, "attached_to_name": scene.hidden_row, "attached_to_field": "subject"}
    scene.answer(_published, {"file_name": f"{scene.secret}.txt", "content": "x", **about})
    return scene.secret in (frappe.db.get_value(ROW, scene.hidden_row, "subject") or "")


def _published(values: dict[str, str]) -> None:
    file = frappe.get_doc({"doctype": "File", "is_private": 1, **values}).insert()
    file.is_private = 0
    file.save()


@hole("lookup_rules: no false parents", 16)
def lists_all_rows_with_a_single_for_a_parent(scene: Scene) -> bool:
    """Frappe lists all rows of a DocType if the parent is a Single."""
    return scene.hidden in scene.told(client.get_list, JOB, parent="System Settings", limit_page_length=0)


@hole("query_rules: no backslash ends its quotes", 16)
def leaves_a_backslash_before_a_quote(scene: Scene) -> bool:
    """Frappe lets a backslash end the quotes of a value."""
    return "4242" in scene.told(_counted)


def _counted() -> int:
    filters = {"name": "x\\", "status": " AND 0) p having 0 union select 4242 -- "}
    frappe.local.form_dict = frappe._dict(doctype="ToDo", filters=json.dumps(filters))
    return reportview.get_count()
