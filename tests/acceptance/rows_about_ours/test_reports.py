"""Reports that others have prepared or extended hold nothing that their reader may not see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import frappe
import pytest
from frappe.core.doctype.prepared_report.prepared_report import create_json_gz_file

from dartwing_core.wall import report_access
from tests.support import factory, records
from tests.support.http import Client, call
from tests.support.rows_about_ours import SECRET, clients, insert, prepared_report, removed
from tests.support.sessions import as_user

PREPARE = "frappe.core.doctype.prepared_report.prepared_report.make_prepared_report"
RUN, EXPORT = "frappe.desk.query_report.run", "frappe.desk.query_report.export_query"
SCRIPT = {"report_type": "Script Report", "is_standard": "No", "json": "{}"}


def report(name: str, doctype: str, **values: object):
    return insert("Report", **{"report_name": name, "ref_doctype": doctype, **SCRIPT, **values})


@pytest.fixture
def prepared(site) -> Iterator:
    """A report on tasks that an admin of Alpha has prepared."""
    of_tasks = report("Test Prepared", "ToDo", prepared_report=1)
    maker = factory.user("step_inside", factory.ALPHA, roles=("Dartwing Admin", "Desk User"), org_role="Admin")
    made = prepared_report(of_tasks.name, maker)
    frappe.db.commit()
    yield made
    removed(made, of_tasks)


@pytest.fixture
def harmless(site) -> Iterator[str]:
    """A prepared report on a DocType that has nothing to do with ours."""
    made = report("Test Harmless", "Note", prepared_report=1)
    frappe.db.commit()
    yield made.name
    removed(made)


@pytest.mark.parametrize("function", [RUN, EXPORT])
@pytest.mark.parametrize("of", ["Test Prepared", "Test Harmless"])
def test_nobody_reads_a_prepared_report_of_another_user_through_any_report(web, prepared, harmless, function, of):
    # Seen failing: only reports on tasks and the like were checked, only for some functions, and only texts.
    outside = clients(web)["outside"]
    for named in (prepared.name, f"{prepared.name} ", {"owner": prepared.owner}, ["like", "%"], True):
        filters = json.dumps({"prepared_report_name": named})
        more = {"file_format_type": "CSV", "visible_idx": "[0]"} if function == EXPORT else {}
        answer = call(outside, function, report_name=of, filters=filters, **more)
        assert SECRET not in answer.text, f"{named}: {answer.text[:300]}"


def test_nobody_stores_the_name_of_a_prepared_report_in_a_report_of_their_own(web, prepared):
    # Seen failing: Frappe takes the filters of a saved report after those that were sent.
    outside = clients(web)["outside"]
    stored = json.dumps({"columns": [], "filters": {"prepared_report_name": prepared.name}})
    custom = report("Test Mine", "ToDo", report_type="Custom Report", reference_report="Test Prepared", json=stored)
    custom.db_set("prepared_report", 1)
    frappe.db.commit()
    try:
        assert SECRET not in call(outside, RUN, report_name=custom.name, filters="{}").text
    finally:
        removed(custom)


def test_its_maker_reads_it(web, prepared):
    inside = clients(web)["inside"]
    named = json.dumps({"prepared_report_name": prepared.name})
    assert SECRET in call(inside, RUN, report_name="Test Prepared", filters=named).text


def test_nobody_prepares_a_report_that_they_may_not_run(web, site):
    # Seen failing: any report of the site ran for any account, in the background, and its file belonged to them.
    managers = report("Test Managers", "Comment", report_type="Query Report", query="select 1", prepared_report=1)
    managers.set("roles", [{"role": "System Manager"}])
    managers.save()
    user = factory.user("prepares_all", factory.ALPHA, roles=("Dartwing User", "Desk User"))
    manager = factory.user("step_manager", roles=("System Manager",))
    frappe.db.commit()
    asked = {"report_name": managers.name, "filters": "{}"}
    try:
        answers = [call(Client(web).with_token(one), PREPARE, **asked).status_code for one in (user, manager)]
        assert answers == [403, 200]
    finally:
        frappe.db.rollback()
        prepared = frappe.get_all("Prepared Report", {"report_name": managers.name}, pluck="name")
        removed(*(frappe.get_doc("Prepared Report", name) for name in prepared), managers)


@pytest.mark.parametrize("kind", ["Organization", "organization ", "ToDo"])
def test_a_report_prepared_with_a_filter_for_rows_about_ours_is_its_makers(web, site, kind):
    # Seen failing: ids and titles of another organization, from one of Frappe's reports that list what a filter names.
    plain = report("Test Listing", "Note", report_type="Query Report", query="select 1 as `x:Data:100`")
    plain.db_set("prepared_report", 1, update_modified=False)
    filters = json.dumps({"reference_doctype": kind}, separators=(",", ":"))
    maker = factory.user("step_inside", factory.ALPHA, roles=("Dartwing Admin", "Desk User"), org_role="Admin")
    made = prepared_report(plain.name, maker, filters)
    user = factory.user("reads_files", factory.BETA, roles=("Dartwing User", "Desk User", "Prepared Report User"))
    frappe.db.commit()
    client = Client(web).with_token(user)
    try:
        if not kind.endswith(" "):  # its content is hidden all the same
            assert not as_user(user, frappe.get_list, made.doctype, {"name": made.name})
        assert not as_user(user, frappe.has_permission, made.doctype, "read", made)
        for more in ({"user": maker}, {"filters": json.dumps({"prepared_report_name": made.name})}):
            asked = {"report_name": plain.name, "filters": json.loads(filters), **more}
            assert SECRET not in call(client, RUN, **asked).text
    finally:
        removed(made, plain)


def test_nobody_is_given_what_a_named_user_has_prepared(web, prepared):
    # Seen failing: once the report had been changed, by whomever.
    frappe.db.set_value("Report", prepared.report_name, {"ref_doctype": "Note"})
    frappe.db.commit()
    asked = {"report_name": prepared.report_name, "filters": "{}", "user": prepared.owner}
    assert SECRET not in call(clients(web)["outside"], RUN, **asked).text


def test_the_file_of_a_prepared_report_is_neither_guessed_nor_listed(web, prepared):
    # Seen failing: its name told only report and minute, and any account made a File of its own that leads there.
    create_json_gz_file({"result": [[SECRET]]}, prepared.doctype, prepared.name, prepared.report_name)
    of_it = {"attached_to_doctype": prepared.doctype, "attached_to_name": prepared.name}
    made = frappe.get_all("File", of_it, ["name", "file_url", "file_name"], order_by="creation desc", limit=1)[0]
    frappe.db.commit()
    assert re.search(r"-[0-9a-f]{16}\.json\.gz$", made.file_url), made.file_url
    assert made.file_name.endswith(".json.gz")
    roles = ("Dartwing User", "Desk User", "Prepared Report User")
    stranger = Client(web).with_token(factory.user("reads_files", factory.BETA, roles=roles))
    frappe.db.commit()
    listed = stranger.http.get(f"{web}/api/resource/File", params={"filters": json.dumps(of_it)}, timeout=60)
    assert listed.status_code in (200, 403), listed.text
    assert made.name not in listed.text
    assert made.file_url not in listed.text


@pytest.mark.parametrize("change", ["edited", "made anew"])
def test_a_report_that_has_changed_shows_nobody_what_others_prepared(web, prepared, change):
    # Seen failing: whoever took the columns of ours out of a report, or made another one of its name, read the rows.
    roles = ("Dartwing User", "Desk User", "Prepared Report User", "Report Manager")
    user = factory.user("changes_reports", factory.BETA, roles=roles)
    frappe.db.delete("Report", {"name": prepared.report_name})
    values = {"report_name": prepared.report_name, "ref_doctype": "Note", "report_type": "Report Builder"}
    plain = insert("Report", **values, is_standard="No", json="{}")
    if change == "edited":
        plain.db_set("report_type", "Custom Report")
    frappe.db.commit()
    try:
        assert not as_user(user, frappe.get_list, prepared.doctype, {"name": prepared.name})
        assert not as_user(user, frappe.has_permission, prepared.doctype, "read", prepared)
        if change == "made anew":  # what is prepared from now on, of notes, is for all who may make it
            later = insert("Prepared Report", report_name=plain.name, status="Completed", filters="{}")
            later.db_set("owner", prepared.owner)
            assert as_user(user, frappe.has_permission, later.doctype, "read", later)
    finally:
        frappe.db.rollback()


def test_what_is_prepared_of_others_documents_is_shared_as_before(web, site):
    plain = report("Test Shared", "Note", report_type="Report Builder", prepared_report=1)
    made = insert("Prepared Report", report_name=plain.name, status="Completed", filters="{}")
    made.db_set("owner", factory.user("step_inside", factory.ALPHA))
    user = factory.user("reads_files", factory.BETA, roles=("Dartwing User", "Desk User", "Prepared Report User"))
    frappe.db.commit()
    try:
        assert as_user(user, frappe.has_permission, made.doctype, "read", made)
        assert as_user(user, frappe.get_list, made.doctype, {"name": made.name})
    finally:
        removed(made, plain)


@pytest.mark.parametrize("function", ["run_doc_method", "frappe.rename_doc", "frappe.client.rename_doc"])
def test_no_report_takes_the_name_of_another_one(web, prepared, harmless, function):
    # Seen failing: all of Desk renamed and merged reports, so that mailings and prepared reports were about others.
    roles = ("Dartwing User", "Desk User", "Report Manager")
    client = Client(web).with_token(factory.user("renames_reports", factory.BETA, roles=roles))
    frappe.db.commit()
    for merge in (0, 1):
        arguments = {"name": prepared.report_name, "merge": merge, "validate_rename": 0, "force": 1}
        asked = {"dt": "Report", "dn": harmless, "method": "rename", "args": json.dumps(arguments)}
        if function != "run_doc_method":
            asked = {"doctype": "Report", "new" + "_name" * (function != "frappe.rename_doc"): prepared.report_name}
            asked |= {"old" + "_name" * (function != "frappe.rename_doc"): harmless, "merge": merge}
            asked |= {"force": 1} if function == "frappe.rename_doc" else {}
        answer = call(client, function, **asked)
        assert answer.status_code in (403, 417), answer.text
    frappe.db.rollback()
    assert frappe.db.get_value("Report", harmless, "ref_doctype") == "Note"


def test_a_report_that_was_renamed_shows_nobody_what_others_prepared(web, prepared, harmless):
    # Seen failing: an older report in the place of another one was taken for the unchanged one.
    user = factory.user("reads_files", factory.BETA, roles=("Dartwing User", "Desk User", "Prepared Report User"))
    frappe.db.set_value("Report", harmless, "modified", "2020-01-01", update_modified=False)
    frappe.rename_doc("Report", prepared.report_name, "Test Away", force=True)
    frappe.rename_doc("Report", harmless, prepared.report_name, force=True)
    frappe.db.commit()
    try:
        assert not as_user(user, frappe.has_permission, prepared.doctype, "read", prepared)
        assert not as_user(user, frappe.get_list, prepared.doctype, {"name": prepared.name})
    finally:
        frappe.rename_doc("Report", prepared.report_name, harmless, force=True)
        frappe.rename_doc("Report", "Test Away", prepared.report_name, force=True)
        frappe.db.commit()


@pytest.mark.parametrize(
    ("filters", "is_named"),
    [
        ({"organization": "Acme", "version": "1", "comment": "x", "ToDo": 1}, False),
        ({"doctype": "Tödo"}, True),
        ({"doctype": ["in", ["Note", "File "]]}, True),
        ({"doctype": "User Permission"}, True),
        ({"doctype": "reminder "}, True),
        ([["Report", "ref_doctype", "=", "organization"]], True),
        ("not json", False),
        (None, False),
    ],
)
def test_only_values_of_filters_name_a_doctype(site, filters, is_named):
    # Seen failing: a filter called "organization" was taken for the DocType.
    text = filters if isinstance(filters, str | None) else json.dumps(filters)
    assert report_access.names_ours(filters) == report_access.names_ours(text) == is_named


def test_a_report_prepared_on_documents_that_link_to_ours_is_its_makers(site):
    # Seen failing: only those on rows about ours were. Later, lists still showed filters and error texts.
    link = {"fieldname": "organization", "fieldtype": "Link", "options": "Organization", "label": "Organization"}
    records.make_doctype("Test Linking", [link], [{"role": "All", "read": 1, "report": 1}], module="Core")
    linking = report("Test Linking", "Test Linking", report_type="Report Builder", prepared_report=1)
    made = prepared_report(linking.name, factory.user("step_inside", factory.ALPHA))
    user = factory.user("reads_files", factory.BETA, roles=("Dartwing User", "Desk User", "Prepared Report User"))
    frappe.db.commit()
    try:
        assert not as_user(user, frappe.has_permission, made.doctype, "read", made)
        assert not as_user(user, frappe.get_list, made.doctype, {"name": made.name})
    finally:
        removed(made, linking)
        records.remove_doctypes("Test Linking")


@pytest.mark.parametrize("filters", [{"doctypes": ["User", "ToDo"]}, {"a": "Error Log"}, {"a": "Job Schedulé"}])
def test_what_others_prepare_about_ours_is_not_listed(site, filters):
    # Seen failing: with its filters and error text, if a DocType stood later in a list, or in another spelling.
    plain = report("Test Shared", "Note", report_type="Report Builder", prepared_report=1)
    stored = json.dumps(filters, separators=(",", ":"))
    made = insert("Prepared Report", report_name=plain.name, status="Completed", filters=stored)
    made.db_set("owner", factory.user("step_inside", factory.ALPHA))
    user = factory.user("reads_files", factory.BETA, roles=("Dartwing User", "Desk User", "Prepared Report User"))
    frappe.db.commit()
    try:
        assert not as_user(user, frappe.get_list, made.doctype, {"name": made.name})
        assert not as_user(user, frappe.has_permission, made.doctype, "read", made)
    finally:
        removed(made, plain)


@pytest.mark.parametrize("text", ["ToDo list of Ann", "File cabinet"])
def test_a_filter_that_begins_like_a_doctype_hides_nothing(site, text):
    # Seen failing: the list of prepared reports compared only the beginning.
    plain = report("Test Shared", "Note", report_type="Report Builder", prepared_report=1)
    filters = json.dumps({"title": text}, separators=(",", ":"))
    made = insert("Prepared Report", report_name=plain.name, status="Completed", filters=filters)
    made.db_set("owner", factory.user("step_inside", factory.ALPHA))
    user = factory.user("reads_files", factory.BETA, roles=("Dartwing User", "Desk User", "Prepared Report User"))
    frappe.db.commit()
    try:
        assert as_user(user, frappe.get_list, made.doctype, {"name": made.name})
    finally:
        removed(made, plain)
