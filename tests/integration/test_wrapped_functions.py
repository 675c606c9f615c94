"""Each of Frappe's functions that a rule wraps answers as before about everything that is not ours.

A plain user, and one who sees everything, do what people do in a day: once with the wall, once with Frappe's own
functions in their places. The answers, errors and events are the same, but for generated names and times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import frappe
import frappe.handler
import pytest
from frappe.desk.doctype.notification_log import notification_log
from frappe.desk.form import document_follow
from frappe.email import email_body
from frappe.email.doctype.email_queue import email_queue
from frappe.website.doctype.personal_data_download_request import personal_data_download_request
from frappe.website.page_renderers.print_page import PrintPage

from dartwing_core.wall import by_request, guard, link_titles, wrapping
from tests.support import records, tenants, web_request

LINKED = "Test Wrapped"
GENERATED = re.compile(
    r"\b[0-9a-z]{10}\b|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?|\b[0-9a-f]{16,}\b|\d+ second\w*"
    r"|(?<=test-wrapped)[0-9a-f]{6}(?=\.txt)"  # where a broken-off run has left a file of that name
)
FIELDS = [
    {"fieldname": "subject", "fieldtype": "Data", "label": "Subject"},
    {"fieldname": "state", "fieldtype": "Select", "options": "a\nb", "label": "State"},
    {"fieldname": "kind", "fieldtype": "Link", "options": "DocType", "label": "Kind"},
    {"fieldname": "other", "fieldtype": "Dynamic Link", "options": "kind", "label": "Other"},
    {"fieldname": "person", "fieldtype": "Link", "options": "User", "label": "Person"},
    {"fieldname": "helper", "fieldtype": "Link", "options": "User", "label": "Helper"},
    {"fieldname": "full_name", "fieldtype": "Data", "fetch_from": "person.full_name", "label": "Full Name"},
]
EVERYTHING = dict.fromkeys(("read", "write", "create", "delete", "report", "export", "print", "email", "share"), 1)
MESSAGE = "Subject: x\n\nbody"
USERS = ("roleless", "manager")
ELSEWHERE = {
    *("Communication.notify_change", "Notification.get_list_of_recipients", "Notification.get_receiver_list"),
    *("Report.is_permitted", "Page.is_permitted", "Workspace.is_custom_block_permitted", "WebForm.get_context"),
    *("permissions.has_child_permission", "communication.parse_email", "base_document.sanitize_html"),
    *(
        "query_report.get_prepared_report_result",
        "auto_email_report.make_links",
        "link_preview." + link_titles.OF_PRINTS,
    ),
    *("meta.get_field_currency", "formatters.get_field_currency", "contact.set_link_title", "address.set_link_title"),
    f"{frappe.__name__}.publish_realtime",
}
"""Wrapped functions that this day passes by. Their rules have tests of their own."""


def path_of(owner: Any, name: str) -> str:
    return f"{owner.__name__.rpartition('.')[2]}.{name}"


@contextmanager
def without_wall() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for (owner, name), original in wrapping.ORIGINALS.items():
            patch.setattr(owner, name, original)
        yield


# What people do -------------------------------------------------------------------------------------------------------


def call(command: str, **arguments: Any) -> Any:
    """A call as the web makes it, after the guard: the answer, and what the response holds besides."""
    frappe.local.form_dict = frappe._dict(arguments, cmd=command)
    frappe.local.response = frappe._dict(docs=[])
    guard.check_request()
    return [frappe.handler.execute_cmd(command), frappe.local.response]


def saved(**changes: Any) -> Any:
    row = frappe.get_last_doc(LINKED, {"owner": frappe.session.user}).as_dict()
    return call("frappe.desk.form.save.savedocs", doc=frappe.as_json({**row, **changes}), action="Save")


def inserted(doctype: str, **values: Any) -> Any:
    return call("frappe.client.insert", doc=json.dumps({"doctype": doctype, **values}))


def row() -> str:
    return frappe.get_last_doc(LINKED, {"owner": frappe.session.user}).name


def file(**values: Any) -> Any:
    given = {"doctype": "File", "file_name": "test-wrapped.txt", "content": "x", **values}
    return frappe.get_doc(given).insert(ignore_permissions=True)


def mail_with(*attachments: dict[str, Any]) -> Any:
    """The names of the files that a waiting mail brings."""
    with pytest.MonkeyPatch.context() as patch:
        brought: list[str] = []
        patch.setattr(email_queue, "add_attachment", lambda **given: brought.append(given["fname"]))
        patch.setattr(frappe, "attach_print", lambda *_given, **named: {"fname": named["name"], "fcontent": b"x"})
        values = {"sender": "a@example.com", "message": MESSAGE, "attachments": json.dumps(attachments)}
        waiting = frappe.get_doc({"doctype": "Email Queue", "name": "wr4pp3d", "owner": frappe.session.user, **values})
        email_queue.SendMailContext(waiting).include_attachments(MESSAGE)
    return brought


def mailed_report() -> Any:
    report = {"doctype": "Report", "report_name": "Test Wrapped", "ref_doctype": LINKED, "is_standard": "No"}
    report |= {"report_type": "Report Builder", "json": '{"fields": [["subject", "Test Wrapped"]]}'}
    frappe.get_doc(report).insert(ignore_permissions=True)
    mailing = {"doctype": "Auto Email Report", "report": "Test Wrapped", "user": frappe.session.user}
    mailing |= {"email_to": "a@example.com", "frequency": "Daily", "format": "CSV", "no_of_rows": 10, "filters": "{}"}
    return frappe.get_doc(mailing).insert(ignore_permissions=True).get_report_content()


def notices() -> Any:
    about = {"type": "Mention", "document_type": LINKED, "document_name": row(), "subject": "x", "email_content": "y"}
    emails = [frappe.db.get_value("User", "Administrator", "email"), frappe.session.user]
    notification_log.make_notification_logs(frappe._dict(about, from_user="Guest"), emails)
    return frappe.get_all("Notification Log", {"document_type": LINKED}, ["for_user", "subject"], order_by="for_user")


def followed() -> Any:
    values = {"doctype": "Document Follow", "ref_doctype": LINKED, "ref_docname": row(), "user": frappe.session.user}
    frappe.get_doc(values).insert(ignore_permissions=True)
    return document_follow.get_document_followed_by_user(frappe.session.user)


def page(path: str) -> Any:
    """Whether the website shows this page. The user may also be refused."""
    return PrintPage(path).can_render()


DAY: dict[str, Callable[[], Any]] = {
    "make": lambda: inserted(LINKED, subject="x", person="Administrator", kind="User", other="Guest"),
    "make with a link that leads nowhere": lambda: inserted(LINKED, helper="nobody"),
    "make with a link that is a number": lambda: inserted(LINKED, helper=5),
    "open": lambda: call("frappe.desk.form.load.getdoc", doctype=LINKED, name=row()),
    "open one that is missing": lambda: call("frappe.desk.form.load.getdoc", doctype=LINKED, name="nothing"),
    "save": lambda: saved(subject="y"),
    "save a copy": lambda: saved(subject="y", name="new-test-wrapped-1", __islocal=1),
    "save an old one": lambda: saved(modified="2020-01-01 00:00:00"),
    "set": lambda: call("frappe.client.set_value", doctype=LINKED, name=row(), fieldname="state", value="b"),
    "set many": lambda: call("frappe.client.set_value", doctype=LINKED, name=row(), fieldname='{"state": "c"}'),
    "look up": lambda: call(
        "frappe.client.get_value", doctype=LINKED, fieldname="subject", filters=json.dumps({"owner": ["like", "%@%"]})
    ),
    "look up by name": lambda: call("frappe.client.get_value", doctype=LINKED, fieldname="state", filters=row()),
    "rename": lambda: call("frappe.rename_doc", doctype=LINKED, old=row(), new="test renamed"),
    "rename in its form": lambda: call(
        "frappe.model.rename_doc.update_document_title", doctype=LINKED, docname=row(), name="test renamed", title="z"
    ),
    "delete": lambda: call("frappe.client.delete", doctype=LINKED, name=row()),
    "list": lambda: call(
        "frappe.desk.reportview.get", doctype=LINKED, order_by="`tabTest Wrapped`.creation desc", start=0,
        fields=json.dumps(["`tabTest Wrapped`.name", "person.full_name as of"]), page_length=5, view="List"
    ),
    "list of users": lambda: call("frappe.client.get_list", doctype="User", fields='["name", "roles.role"]', limit=3),
    "count": lambda: call("frappe.desk.reportview.get_count", doctype=LINKED, filters="[]", fields="[]", distinct=0),
    "group": lambda: call(
        "frappe.desk.listview.get_group_by_count", doctype=LINKED, current_filters="[]", field="owner"
    ),
    "choose": lambda: call("frappe.desk.search.search_link", doctype=LINKED, txt="", page_length=5),
    "comment": lambda: call(
        "frappe.desk.form.utils.add_comment", reference_doctype=LINKED, reference_name=row(), content="hello",
        comment_email=frappe.session.user, comment_by="x"
    ),
    "tag": lambda: call("frappe.desk.doctype.tag.tag.add_tag", tag="t", dt=LINKED, dn=row()),
    "assign": lambda: call(
        "frappe.desk.form.assign_to.add", doctype=LINKED, name=row(), description="x", assign_to='["Administrator"]'
    ),
    "share": lambda: call("frappe.share.add", doctype=LINKED, name=row(), user="Administrator", read=1),
    "print": lambda: call("frappe.www.printview.get_html_and_style", doc=LINKED, name=row()),
    "read a page": lambda: page(f"{LINKED}/{row()}"),
    "read a page that is missing": lambda: page(f"{LINKED}/nothing"),
    "preview": lambda: call("frappe.desk.link_preview.get_preview_data", doctype="User", docname="Administrator"),
    "attach": lambda: file(attached_to_doctype=LINKED, attached_to_name=row(), is_private=1).file_url.split("/")[1],
    "mail a file": lambda: mail_with({"fid": file(is_private=1).name}),
    "mail a print": lambda: mail_with({"print_format_attachment": 1, "doctype": LINKED, "name": row(), "lang": "en"}),
    "mail a picture": lambda: [
        email_body.get_filecontent_from_path(file(is_private=private).file_url) for private in (0, 1)
    ],
    "mail a report": mailed_report,
    "notices": notices,
    "follow": followed,
    "download my data": lambda: sorted(json.loads(
        personal_data_download_request.get_user_data(frappe.session.user)
    )),
}  # fmt: skip
REFUSED = {"make with a link that leads nowhere", "make with a link that is a number", "save an old one", "set many"}


@pytest.fixture(scope="module")
def _doctype(_connected) -> Iterator[None]:
    records.make_doctype(LINKED, FIELDS, [{"role": "All", **EVERYTHING}], module="Core", allow_rename=1)
    frappe.db.commit()
    yield
    records.remove_doctypes(LINKED)


@pytest.fixture
def nothing_is_kept(site, _doctype, monkeypatch) -> Iterator[None]:
    """Nothing but the users is committed, also where Frappe's functions ask for it."""
    for actor in USERS:
        tenants.email_of(actor)
    frappe.db.commit()
    monkeypatch.setattr(frappe.db, "commit", lambda **_chain: None)
    yield
    monkeypatch.undo()
    frappe.db.rollback()


def told(do: Callable[[], Any], user: str) -> str:
    """What comes of it: answer or error, messages and events, without generated names and times."""
    events: list[Any] = []
    frappe.clear_messages()
    with web_request.made("POST", "/api/method/x", user), pytest.MonkeyPatch.context() as patch:
        by_request.watch(True)
        patch.setattr(frappe, "publish_realtime", lambda event=None, *_rest, **_more: events.append(event))
        frappe.get_doc({"doctype": LINKED, "subject": "x", "person": user}).insert()
        try:
            answer: Any = do()
        except Exception as error:
            answer = [type(error).__name__, str(error)]
        text = frappe.as_json([answer, frappe.get_message_log(), events])
    frappe.db.rollback()
    frappe.db.value_cache.clear()
    return GENERATED.sub("…", text)


@pytest.mark.parametrize("actor", USERS)
@pytest.mark.parametrize("what", DAY)
@pytest.mark.usefixtures("nothing_is_kept")
def test_a_day_goes_as_it_does_without_the_wall(what, actor):
    email = tenants.email_of(actor)
    with without_wall():
        before = told(DAY[what], email)
    assert ('Error"' in before.partition("],")[0]) == (what in REFUSED), before
    assert told(DAY[what], email) == before


@pytest.mark.usefixtures("nothing_is_kept")
def test_the_day_passes_each_wrapped_function(monkeypatch):
    # A rule for a function that nobody calls here would go unnoticed.
    # Seen failing: the test itself looked for none, and so found that all were called.
    passed: set[str] = set()

    def noting(path: str, function: Any) -> Any:
        def noted(*arguments: Any, **named: Any) -> Any:
            if by_request.FLAG in frappe.flags:
                passed.add(path)
            return function(*arguments, **named)

        return noted

    for owner, name in wrapping.ORIGINALS:
        monkeypatch.setattr(owner, name, noting(path_of(owner, name), getattr(owner, name)))
    for do in DAY.values():
        told(do, tenants.email_of("manager"))
    assert {path_of(*one) for one in wrapping.ORIGINALS} - passed <= ELSEWHERE
