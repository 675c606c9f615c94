"""Checks content that Frappe collects for a user, and sends or stores later, against what the user may see.

- Followers of a document get mails about its changes and comments, even after they have left its organization. (15, 16)
- A mail prints the documents that it names, and reads its files, when it is sent. Frappe stores the prints. (15, 16)
- Users are notified of documents that they may not see: mentions, assignments after they have left, and mails and
  notices that a System Manager has set up for a role. (15, 16)
- Comments are sent to the sockets that have joined a document's room, even after their users have left. (15, 16)
- "Download your data" collects the rows of any named user, for any user who names them. The rows include versions of
  schedules, and comments on jobs. (15, 16)
- The address of a bulk print is sent to all sockets of the site. (15, 16)
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from email.utils import parseaddr
from typing import Any

import frappe
from frappe.core.doctype.comment.comment import Comment
from frappe.core.doctype.communication import communication
from frappe.core.doctype.communication.communication import Communication
from frappe.desk.doctype.notification_log import notification_log
from frappe.desk.form import document_follow
from frappe.email.doctype.email_queue.email_queue import SendMailContext
from frappe.email.doctype.notification.notification import Notification
from frappe.website.doctype.personal_data_download_request import personal_data_download_request

from dartwing_core.jobs.access.desk_access import REFERENCES, TENANT_DOCTYPES, now_and_before

from . import wrapping
from .doctypes import guarded_doctype
from .mentions import kind_fields, names_ours
from .references import CHILDREN, STEPS, is_visible, may_refer_to

PRINTED = "task_complete:"
"""How the names of events begin that tell the address of a bulk print."""


def _only_visible_follows(list_followed: Callable[[str], list[Any]]) -> Callable[[str], list[Any]]:
    @functools.wraps(list_followed)
    def visible_follows(user: str) -> list[Any]:
        return [row for row in list_followed(user) if may_refer_to(row.ref_doctype, row.ref_docname, user)]

    return visible_follows


def _only_visible_data(collect: Callable[[str], str]) -> Callable[[str], str]:
    @functools.wraps(collect)
    def visible_data(user: str) -> str:
        text = collect(user)
        found: dict[str, list[dict[str, Any]]] = json.loads(text)
        kept = {doctype: [row for row in rows if _may_have(doctype, row)] for doctype, rows in found.items()}
        return text if kept == found else json.dumps({kind: rows for kind, rows in kept.items() if rows}, indent=2)

    return visible_data


def _may_have(doctype: str, row: Mapping[str, Any]) -> bool:
    """Whether the user may have a row: it names none of our documents, or only one that the user sees."""
    if doctype in TENANT_DOCTYPES:
        return is_visible(doctype, row["name"])
    if not names_ours(doctype, row):
        return True
    kind, name = (REFERENCES | CHILDREN).get(doctype, ("", ""))
    hidden = (*TENANT_DOCTYPES, *STEPS)
    only_kind = all(field == kind or row.get(field) not in hidden for field in kind_fields(doctype))
    return only_kind and row.get(kind) in hidden and may_refer_to(row[kind], row.get(name) or "")


def _only_for_who_may_see(make: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    @functools.wraps(make)
    def checked(doc: Any, users: Any) -> None:
        doctype, name = doc.get("document_type"), doc.get("document_name")
        make(doc, [one for one in users if may_refer_to(doctype, name, _user_of(one))])

    return checked


def _only_to_who_may_see(get_recipients: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    @functools.wraps(get_recipients)
    def checked(self: Any, doc: Any, context: Any) -> Any:
        found = get_recipients(self, doc, context)
        if not (about := _told_about(doc)):
            return found
        addresses = {email: parseaddr(email)[1] for emails in found for email in emails}
        rows = frappe.get_all("User", {"email": ["in", list(addresses.values())]}, ["email", "name"])
        hidden = {row.email.lower() for row in rows if not _may_see(about, row.name)}
        return tuple([email for email in emails if addresses[email].lower() not in hidden] for emails in found)

    return checked


def _to_numbers_of_who_may_see(get_numbers: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """`Notification.get_receiver_list`: the telephone numbers of users, or on Frappe 16 another field of theirs."""

    @functools.wraps(get_numbers)
    def checked(self: Any, doc: Any, context: Any, *more: Any, **named: Any) -> list[Any]:
        found = get_numbers(self, doc, context, *more, **named)
        if not (about := _told_about(doc)):
            return found
        field = named.get("field_on_user") or (more[0] if more else "mobile_no")
        rows = frappe.get_all("User", {field: ["in", list(filter(None, found))]}, ["name", field])
        sees_it = {row.name: _may_see(about, row.name) for row in rows}
        visible = {row[field] for row in rows if sees_it[row.name]}
        hidden = {row[field] for row in rows} - visible
        return [number for number in found if number not in hidden]

    return checked


def _told_about(doc: Any) -> list[tuple[Any, Any]]:
    """The documents of which a notification on this one tells, if they may be ours: itself, or what it is about.

    A row about ours may not be committed yet, so its fields decide.
    """
    if doc.doctype in TENANT_DOCTYPES:
        return [(doc.doctype, doc.name)]
    pairs = now_and_before(doc, REFERENCES[doc.doctype]) if doc.doctype in REFERENCES else []
    return [pair for pair in pairs if pair[0] in (*TENANT_DOCTYPES, *REFERENCES)]


def _may_see(about: list[tuple[Any, Any]], user: str) -> bool:
    return all(may_refer_to(kind, name, user) for kind, name in about)


def _user_of(email: str) -> str:
    return frappe.db.get_value("User", {"email": email}) or email


def _only_what_its_owner_may_see(include: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    @functools.wraps(include)
    def checked(self: Any, message: Any) -> Any:
        mail = self.queue_doc
        kept = [one for one in mail.attachments_list if _may_be_attached(one, mail.owner)]
        if len(kept) < len(mail.attachments_list):
            mail.attachments = json.dumps(kept)
        if any(one.get("doctype") in TENANT_DOCTYPES for one in kept):
            self._store_file = _store_nothing  # Frappe stores a print under a name that is easy to guess
        return include(self, message)

    return checked


def _store_nothing(_name: str, _content: Any) -> None:
    """In place of `SendMailContext._store_file`."""


def _may_be_attached(attachment: Mapping[str, Any], user: str) -> bool:
    """Whether a mail brings a print, or a file, of a document of ours that its owner may see now."""
    is_print = attachment.get("print_format_attachment")
    if is_print and not may_refer_to(attachment.get("doctype"), str(attachment.get("name")), user):
        return False
    fields = {"name": attachment.get("fid")} if attachment.get("fid") else {"file_url": attachment.get("file_url")}
    is_ours = {"attached_to_doctype": ["in", TENANT_DOCTYPES]}
    files = frappe.get_all("File", {**fields, **is_ours}, pluck="name") if any(fields.values()) else []
    return all(frappe.has_permission("File", "read", doc=file, user=user) for file in files)


def _to_who_asked(publish: Callable[..., None]) -> Callable[..., None]:
    """`publish_realtime`: only the user who has asked for a bulk print hears where it lies."""

    @functools.wraps(publish)
    def to_user(*arguments: Any, **named: Any) -> None:
        event = arguments[0] if arguments else named.get("event")
        is_to_all = len(arguments) < 3 and not any(named.get(key) for key in ("room", "user", "doctype"))
        if isinstance(event, str) and event.startswith(PRINTED) and is_to_all:
            named["user"] = frappe.session.user
        publish(*arguments, **named)

    return to_user


def _not_of_ours(notify: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    @functools.wraps(notify)
    def checked(self: Any, action: str) -> None:
        is_about_ours = self.flags.get("is_about_ours")  # if it was validated
        if not (names_ours(self.doctype, self) if is_about_ours is None else is_about_ours):
            notify(self, action)

    return checked


def _without_hidden_ones(parse: Callable[[Any], Iterator[tuple[str, str]]]) -> Callable[[Any], list[tuple[str, str]]]:
    """`parse_email`: the documents that addresses name (x+DocType+name@…). A mail by hand is linked to visible ones."""

    @functools.wraps(parse)
    def checked(addresses: Any) -> list[tuple[str, str]]:
        named = parse(addresses)
        is_by_hand = getattr(frappe.local, "request", None)
        return [
            (kind, name) for kind, name in named if not is_by_hand or may_refer_to(guarded_doctype(kind) or kind, name)
        ]

    return checked


wrapping.replace(frappe, "publish_realtime", _to_who_asked)
wrapping.replace(communication, "parse_email", _without_hidden_ones)
for _class in (Comment, Communication):
    wrapping.replace(_class, "notify_change", _not_of_ours)
wrapping.replace(notification_log, "make_notification_logs", _only_for_who_may_see)
wrapping.replace(SendMailContext, "include_attachments", _only_what_its_owner_may_see)
wrapping.replace(document_follow, "get_document_followed_by_user", _only_visible_follows)
wrapping.replace(Notification, "get_list_of_recipients", _only_to_who_may_see)
wrapping.replace(Notification, "get_receiver_list", _to_numbers_of_who_may_see)
wrapping.replace(personal_data_download_request, "get_user_data", _only_visible_data)
