"""Mailed reports are made as their user, whoever makes them, and nobody mails with the permissions of another one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace

import frappe
import pytest
from frappe.core.doctype.report.report import Report

from tests.acceptance.test_sent_later import OF_JOBS, SECRET, in_background
from tests.support import factory
from tests.support.http import Client, call
from tests.support.jobs import set_columns, submitted_by
from tests.support.reports import QUERY, report_maker
from tests.support.rows_about_ours import insert, removed
from tests.support.schedules import document
from tests.support.sessions import as_user

MAILING = "Auto Email Report"
FUNCTIONS = "frappe.email.doctype.auto_email_report.auto_email_report"


@pytest.fixture
def maker(site) -> Iterator[str]:
    with report_maker("mails_reports", "Desk User") as user:
        yield user


def report(user: str, name: str, doctype: str, **values) -> str:
    plain = {"report_type": "Report Builder", "is_standard": "No", "json": "{}"} | values
    made = frappe.get_doc({"doctype": "Report", "report_name": name, "ref_doctype": doctype, **plain})
    made.insert(ignore_permissions=True).db_set("owner", user)
    return made.name


def mailing(user: str, of: str, as_whom: str, **more):
    values = {"report": of, "user": as_whom, "email_to": "a@example.com", "frequency": "Daily", "format": "CSV"}
    values |= {"enabled": 1, "day_of_week": "Monday", "no_of_rows": 10, "filters": "{}", "send_if_data": 0} | more
    return as_user(user, frappe.get_doc({"doctype": MAILING, **values}).insert)


def content(mailing) -> str:
    """What the scheduler mails; nothing if it refuses to."""
    with in_background(f"{FUNCTIONS}.process_auto_email_report"):
        found = frappe.get_doc(MAILING, mailing.name).get_report_content()
    return found.decode() if isinstance(found, bytes) else str(found or "")


def test_a_mailing_is_asked_about_again_when_it_is_made(maker):
    # Seen failing: another path had led it to another report, which was mailed with what its user may see.
    mailed = mailing(maker, report(maker, "test harmless", "ToDo"), maker)
    assert content(mailed)
    frappe.db.set_value(MAILING, mailed.name, "user", "Administrator", update_modified=False)
    frappe.db.commit()
    assert content(mailed) == ""


def test_a_chain_of_reports_is_followed_to_its_end_and_once_around(maker):
    # Seen failing: the 20th report of a chain was taken for its end.
    before = OF_JOBS
    for number in range(25):
        values = {"report_type": "Custom Report", "reference_report": before}
        before = report(maker, f"test link {number}", "Contact", **values)
    with pytest.raises(frappe.PermissionError, match="all organizations"):
        mailing(maker, before, maker)
    frappe.db.set_value("Report", "test link 0", "reference_report", before)
    assert mailing(maker, before, maker).name, "a circle ends"


@pytest.mark.parametrize("name", ["test lost", "Test Lóst"])
def test_a_new_report_takes_no_place_in_a_mailed_chain(maker, alice, name):
    # Seen failing: a report to which a mailed one led was deleted, and another one was made in its name.
    lost = report(maker, "test lost", "Note")
    custom = report(maker, "test leads there", "Note", report_type="Custom Report", reference_report=lost)
    waiting = mailing("Administrator", custom, alice)
    frappe.delete_doc("Report", lost, force=True)
    frappe.db.commit()
    again = {"doctype": "Report", "report_name": name, "ref_doctype": "ToDo", "report_type": "Report Builder"}
    with pytest.raises(frappe.PermissionError):
        as_user(maker, frappe.get_doc({**again, "is_standard": "No", "json": "{}"}).insert)
    removed(waiting)


def test_the_script_of_a_report_about_ours_runs_as_its_user(maker):
    # Seen failing: the scheduler ran it, so that it held ToDos on organizations.
    task = {"doctype": "ToDo", "description": SECRET, "reference_type": "Organization", "reference_name": factory.ALPHA}
    frappe.get_doc(task).insert()
    frappe.get_doc({"doctype": "ToDo", "description": "own task", "assigned_by": maker}).insert()
    allowed = frappe.get_doc(
        {"doctype": "Custom Role", "report": "ToDo", "roles": [{"role": "Report Manager"}]}
    ).insert()
    frappe.db.commit()
    try:
        made = content(mailing(maker, "ToDo", maker))
    finally:
        allowed.delete()
        frappe.db.commit()
    assert SECRET not in made
    assert "own task" in made
    assert frappe.session.user == "Administrator"


# Made as its user ----------------------------------------------------------------------------------------------------


def allowed(of: str) -> str:
    """The report, which report managers may run."""
    found = frappe.get_doc("Report", of)
    found.set("roles", [{"role": "Report Manager"}])
    found.save()
    return of


@pytest.fixture
def made_as(monkeypatch) -> list[str]:
    """The users as whom reports are made. They hold nothing."""
    seen: list[str] = []
    report_type = type(frappe.new_doc("Report"))

    def get_data(*_given, **_named):
        seen.append(frappe.session.user)
        return [], []

    monkeypatch.setattr(report_type, "get_data", get_data)
    return seen


@pytest.mark.parametrize("kind", ["Notification Log", "User Permission", "Note"])
def test_it_is_made_as_its_user_whatever_a_filter_names(maker, made_as, kind):
    # Seen failing: one of Frappe's reports lists the DocType that a filter names, and the scheduler made it.
    of_notes = allowed(report(maker, "test filtered", "Note", **QUERY))
    content(mailing(maker, of_notes, maker, filters=json.dumps({"doctype": kind})))
    assert made_as == [maker]
    assert frappe.session.user == "Administrator"


def test_who_clicks_lends_it_no_permissions(web, maker, monkeypatch):
    # Seen failing: a System Manager who sent a stranger's mailing at once sent all that System Managers see.
    of_users = report(maker, "test of users", "Note", report_type="Query Report", query="select 1 as `x:Data:100`")
    allowed(of_users)
    made = mailing(maker, of_users, maker, format="HTML")
    manager = factory.user("sends_now", roles=("System Manager", "Report Manager"))
    frappe.db.commit()
    seen: list[tuple[str, str, str]] = []
    get_data = type(frappe.new_doc("Report")).get_data

    def noted(*given, **named):
        seen.append((frappe.session.user, frappe.session.sid, frappe.session.data.get("kept")))
        return get_data(*given, **named)

    monkeypatch.setattr(type(frappe.new_doc("Report")), "get_data", noted)
    frappe.set_user(manager)
    frappe.local.session.sid, frappe.local.session.data = "s1d", frappe._dict(kept="yes")
    frappe.local.request = SimpleNamespace(path="/", method="POST", host="a.example.com", headers={})
    try:
        frappe.get_doc(MAILING, made.name).get_report_content()
        assert (frappe.session.user, frappe.session.sid, frappe.session.data.kept) == (manager, "s1d", "yes")
    finally:
        del frappe.local.request
        frappe.set_user("Administrator")
    assert seen == [(maker, "s1d", "yes")]


def test_a_report_manager_neither_downloads_nor_sends_the_mailing_of_another_user(web, maker):
    # Seen failing: it held what its user may see, and any report manager may read mailings.
    of_notes = allowed(report(maker, "test of another", "Note", **QUERY))
    made = mailing("Administrator", of_notes, "Administrator")
    client = Client(web).with_token(maker)
    frappe.db.commit()
    try:
        for function in ("download", "send_now"):
            answer = call(client, f"{FUNCTIONS}.{function}", name=made.name)
            assert answer.status_code == 403, answer.text[:200]
    finally:
        removed(made)


def test_values_of_a_higher_level_stay_out(maker, alice):
    # Seen failing: the scheduler's permissions decided about the columns.
    kind = factory.job_type("plain")
    job = submitted_by(alice, kind)
    set_columns(job, rq_job_id=SECRET)
    member = factory.user("mails_own_jobs", factory.ALPHA, org_role="Admin", roles=("Report Manager", "Dartwing User"))
    frappe.db.commit()
    columns = {"fields": [["name", "Background Job"], ["rq_job_id", "Background Job"]]}
    made = mailing(member, report(maker, "test of levels", "Background Job", json=json.dumps(columns)), member)
    try:
        assert content(made) == ""
    finally:
        removed(made)


OPTIONS = {
    "a row that is named": "Organization:title:org_name",
    "the row itself": "org_name",
    "an account": "User:owner:location",
}


@pytest.mark.parametrize("of", OPTIONS)
@pytest.mark.parametrize("is_request", [True, False])
def test_no_currency_comes_from_a_hidden_row(web, maker, of, is_request):
    # Seen failing: a column of a stored report named any row and any field, and the mail showed the field's text.
    stranger = factory.user("has_a_key")
    frappe.db.set_value("User", stranger, "location", "k3y-of-another")
    amount = f"amount_{[*OPTIONS].index(of)}"  # a process keeps the currency of a field
    query = f"select '{factory.BETA}' as name, '{factory.BETA}' as title, 1.5 as {amount}"
    of_notes = report(maker, "test amounts", "Note", report_type="Query Report", query=query)
    parent = "Organization" if of == "the row itself" else "Note"
    note = insert("Note", title=factory.BETA, public=1)
    frappe.db.sql("UPDATE tabNote SET name = %s, owner = %s WHERE name = %s", (factory.BETA, stranger, note.name))
    columns = [{"fieldname": "name", "label": "N", "fieldtype": "Data"}, {"fieldname": amount, "label": "A"}]
    columns[1] |= {"fieldtype": "Currency", "options": OPTIONS[of], "parent": parent}
    stored = {"report_type": "Custom Report", "reference_report": of_notes, "json": json.dumps({"columns": columns})}
    custom = allowed(report(maker, "test shows amounts", "Note", **stored))
    allowed(of_notes)
    hidden = "k3y-of-another" if of == "an account" else factory.title_of(factory.BETA)
    by_admin, own = (mailing(user, custom, user, format="HTML") for user in ("Administrator", maker))
    frappe.db.commit()
    try:
        assert hidden in content(by_admin), "or it shows nothing"
        frappe.get_cached_doc("Organization", factory.BETA)  # Frappe would keep it
        if is_request:
            shown = call(Client(web).with_token(maker), f"{FUNCTIONS}.download", name=own.name).text
        else:
            shown = content(own)
        assert hidden not in shown
    finally:
        frappe.db.rollback()
        frappe.db.delete("Note", {"name": factory.BETA})
        removed(by_admin)


@pytest.mark.parametrize("kind", ["HTML", "CSV"])
def test_texts_of_jobs_are_neither_formulas_nor_html(alice, kind):
    text = "=HYPERLINK(1)<b>x</b>"
    member = factory.user("mails_own_jobs", factory.ALPHA, org_role="Admin", roles=("Report Manager", "Dartwing User"))
    job = submitted_by(alice, factory.job_type("plain"))
    set_columns(job, job_title=text)
    columns = {"fields": [["name", "Background Job"], ["job_title", "Background Job"]]}
    of = report(member, "test of titles", "Background Job", json=json.dumps(columns))
    made = mailing(member, of, member, format=kind)
    try:
        found = content(made)
        assert f'"{text}' not in found
        assert "<b>x</b>" not in found or kind == "CSV"
        assert {"HTML": "&lt;b&gt;", "CSV": "\"'=HYPERLINK"}[kind] in found
    finally:
        removed(made, frappe.get_doc("Report", of))


# Whose permissions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("doctype", ["User", "ToDo", "OAuth Bearer Token", "Contact", "Note"])
@pytest.mark.parametrize("as_whom", ["Administrator", "test_alice@example.com"])
def test_nobody_mails_rows_of_frappes_with_the_permissions_of_another_user(maker, alice, doctype, as_whom):
    # Seen failing: keys of accounts, cards of private boards, links of contacts, as whomever a report manager named.
    # Later, plain lists were allowed: their filters joined rows about ours.
    with pytest.raises(frappe.PermissionError, match="only with your own permissions"):
        mailing(maker, report(maker, "test of rows", doctype), as_whom)


def test_scripts_are_mailed_with_ones_own_permissions_alone(maker):
    with pytest.raises(frappe.PermissionError, match="only with your own permissions"):
        mailing(maker, allowed(report(maker, "test a script", "Note", **QUERY)), "Administrator")


@pytest.mark.parametrize("reason", ["refused", "missing"])
def test_a_mailing_that_is_refused_ends_no_other_one(maker, alice, monkeypatch, reason):
    # Seen failing: Frappe makes all monthly mailings in one loop, which ended at the first error. Later, at the first
    # script that loaded a document which its user may not see.
    sent: list[str] = []
    monkeypatch.setattr(frappe, "sendmail", lambda **named: sent.append(named["reference_name"]))
    good = mailing(maker, report(maker, "test monthly", "ToDo"), maker, frequency="Monthly")
    bad = mailing("Administrator", allowed(report(maker, "test refused", "Note", **QUERY)), alice, frequency="Monthly")
    if reason == "refused":
        bad.db_set("modified_by", maker)
    else:
        run_script = Report.get_data

        def load_hidden(self, *arguments, **named):
            if self.name == bad.report:
                frappe.get_doc("Organization", factory.BETA)
            return run_script(self, *arguments, **named)

        monkeypatch.setattr(Report, "get_data", load_hidden)
    frappe.db.delete("Error Log", {"reference_name": bad.name})
    frappe.db.commit()
    try:
        with in_background(f"{FUNCTIONS}.send_monthly"):
            frappe.get_attr(f"{FUNCTIONS}.send_monthly")()
        assert good.name in sent
        assert bad.name not in sent
        told = {"method": ["like", "%was not sent%"], "reference_name": bad.name}
        assert frappe.db.exists("Error Log", told)
    finally:
        frappe.db.rollback()
        removed(bad)


def test_a_mailing_that_is_switched_off_keeps_no_report_as_it_is(maker, alice):
    # Seen failing: whoever mailed the report of somebody else once, had it frozen for good.
    of = frappe.get_doc("Report", report(maker, "test of somebody", "ToDo"))
    off = mailing("Administrator", of.name, alice, enabled=0)
    try:
        as_user(maker, of.save)
        off.db_set("enabled", 1)
        with pytest.raises(frappe.PermissionError, match="of another user"):
            as_user(maker, of.reload().save)
    finally:
        frappe.db.rollback()
        removed(off)


@pytest.mark.parametrize("name", ["test ghost", "Test Ghöst"])
def test_no_mailing_waits_for_a_report_that_somebody_else_makes(maker, name):
    # Seen failing: a mailing named a report that was not there, and anybody made one of that name.
    with pytest.raises((frappe.PermissionError, frappe.LinkValidationError)):
        mailing(maker, "test ghost", "Administrator")
    frappe.db.rollback()
    waiting = insert(MAILING, report="test ghost", user="Administrator", email_to="a@example.com", format="CSV")
    frappe.db.commit()
    again = {"doctype": "Report", "report_name": name, "ref_doctype": "Organization", "report_type": "Report Builder"}
    try:
        with pytest.raises(frappe.PermissionError, match="of another user"):
            as_user(maker, frappe.get_doc({**again, "is_standard": "No", "json": "{}"}).insert)
    finally:
        removed(waiting)


@pytest.fixture
def extended(site, maker) -> Iterator[str]:
    """A report on notes, to which somebody of no organization has added columns of schedules."""
    schedule = document("echo_job", title=SECRET, organization=factory.BETA, owner_user="Administrator").insert()
    query = f"select '{schedule.name}' as `found:Data:100`"
    of_notes = report(maker, "test of notes", "Note", report_type="Query Report", query=query)
    added = {"fieldname": "title", "doctype": "Job Schedule", "label": "S", "fieldtype": "Data"}
    added["link_field"] = {"fieldname": "found", "names": {}}
    stored = json.dumps({"columns": [{"fieldname": "found", "label": "T", "fieldtype": "Data"}, added]})
    custom = report(maker, "test added", "Note", report_type="Custom Report", reference_report=of_notes, json=stored)
    for one in (of_notes, custom):
        allowed(one)
    frappe.db.commit()
    yield custom
    frappe.db.rollback()
    frappe.db.delete(MAILING, {"report": custom})
    removed(schedule)


def test_columns_of_ours_hold_what_its_user_sees(maker, extended):
    # Seen failing: the scheduler read the columns, of any job or schedule whose id a row holds.
    assert SECRET in content(mailing("Administrator", extended, "Administrator")), "or it shows nothing"
    assert SECRET not in content(mailing(maker, extended, maker))
