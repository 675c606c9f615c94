"""Functions of Frappe's that read or change one document."""

from __future__ import annotations

from typing import Any

import frappe
from frappe import _, client, email
from frappe.core.doctype.communication import email as communication_email
from frappe.core.doctype.user_permission import user_permission
from frappe.desk import like, search
from frappe.desk.doctype.notification_log import notification_log
from frappe.desk.doctype.tag import tag
from frappe.desk.form import document_follow, utils
from frappe.utils import file_manager, get_safe_filters
from frappe.www import printview

from dartwing_core.jobs.access.desk_access import REFERENCES, throw_missing

from .. import further_rows, links, sent_names
from ..frappe_version import IS_15
from ..mentions import NOTICE, PAIRS, kind_fields, meta_of, names_ours, naming_ours
from ..references import STEPS, may_refer_to
from .base import check, check_mark, instead_of, is_hidden, is_ours, parsed, sees_everything, text_of


@instead_of(client.get)
def get(given: dict[str, Any]) -> Any:
    """By a filter, the first document that the user may see: Frappe takes the first of all, and so tells its content.

    Of another DocType, the first document that refers to no hidden one, and none for users who may read none. Frappe
    looks before it checks a permission, and its 404 or 403 tells tokens of others letter by letter. 15, 16.
    """
    doctype = given["doctype"]
    filters = None if given.get("name") else parsed(given, "filters")
    if filters and is_ours(doctype):
        names = frappe.get_list(doctype, filters=filters, pluck="name", limit=1)
        if not names:
            throw_missing(doctype, _("document"))
        given |= {"name": names[0], "filters": None}
    elif filters is not None and (meta := meta_of(doctype)) and not sees_everything():
        if not meta.istable:  # child rows have the permission of their parent
            frappe.has_permission(doctype, "read", throw=True)
        found = frappe.db.get_value(doctype, filters) if kind_fields(doctype) and not meta.issingle else None
        may_see = found and not meta.istable and frappe.has_permission(doctype, "read", doc=found)
        if found and _names_ours(doctype, found) and not may_see:
            given |= {"name": _first_not_naming_ours(doctype, filters), "filters": None}
    return client.get(**given)


def _names_ours(doctype: str, name: str) -> bool:
    table = frappe.qb.DocType(doctype)
    query = frappe.qb.from_(table).select(table.name).where((table.name == name) & naming_ours(doctype, table))
    return bool(query.run())


def _first_not_naming_ours(doctype: str, filters: Any) -> str:
    """Raises frappe.DoesNotExistError if there is none."""
    table = frappe.qb.DocType(doctype)
    ours = frappe.qb.from_(table).select(table.name).where(naming_ours(doctype, table))
    query = frappe.qb.get_query(doctype, filters=get_safe_filters(filters), fields=[table.name])
    found = query.where(table.name.notin(ours)).limit(1).run()
    if not found:
        throw_missing(doctype, str(filters))  # in Frappe's words
    return found[0][0]


if IS_15:

    @instead_of(client.validate_link)
    def validate_link(given: dict[str, Any]) -> Any:
        """A link to a hidden document leads nowhere: Frappe checks only the permission of the DocType. 15."""
        if is_hidden(given["doctype"], given["docname"]):
            given["docname"] = ""
        return client.validate_link(**given)


@instead_of(search.get_link_title)
def get_link_title(given: dict[str, Any]) -> Any:
    """The title of a document that the user may see: Frappe returns the title of any. 15, 16."""
    hidden = is_hidden(given["doctype"], given["docname"])
    return given["docname"] if hidden else search.get_link_title(**given)


@instead_of(user_permission.get_user_permissions)
def get_user_permissions(given: dict[str, Any]) -> Any:
    """Permissions of other users, without documents of ours: Frappe tells everybody to which ones a user is bound.

    15, 16.
    """
    found = user_permission.get_user_permissions(**given)
    if given.get("user") in (None, "", frappe.session.user) or sees_everything():
        return found
    return {doctype: rows for doctype, rows in found.items() if not is_ours(doctype)}


@instead_of(utils.get_next)
def get_next(given: dict[str, Any]) -> Any:
    """The document after one that the user may read: Frappe compares any field of any document with the user's own.

    One that the user may not read is treated as a missing one. 15, 16.
    """
    doctype, name = given["doctype"], given["value"]
    sent_names.refuse("value", name)
    if not sees_everything():  # the name as it is stored: a number leads to many rows
        found = frappe.get_list(doctype, filters={"name": name}, pluck="name", limit=1)
        given["value"] = found[0] if found else f"no-{frappe.generate_hash(length=20)}"
    return utils.get_next(**given)


@instead_of(document_follow.follow_document)
def follow_document(given: dict[str, Any]) -> Any:
    """Only for the caller: Frappe does not check that another user may see the document that they follow. 15, 16."""
    doctype = given["doctype"]
    if is_ours(doctype) and given["user"] != frappe.session.user and not sees_everything():
        raise frappe.PermissionError
    check(doctype, given["doc_name"])
    return document_follow.follow_document(**given)


@instead_of(like.toggle_like)
def toggle_like(given: dict[str, Any]) -> Any:
    """Refuses likes of jobs and hidden documents: Frappe writes a like into any row. 15, 16."""
    check_mark(given["doctype"], given["name"])
    return like.toggle_like(**given)


@instead_of(notification_log.mark_as_read)
def mark_as_read(given: dict[str, Any]) -> Any:
    """Only its addressee marks a notice about ours as read: Frappe lets everybody mark any notice. 15, 16."""
    fields = ["for_user", *PAIRS[NOTICE]]
    notice = frappe.db.get_value(NOTICE, str(given["docname"]), fields, as_dict=True)
    if not notice or notice.for_user == frappe.session.user or not names_ours(NOTICE, notice):
        notification_log.mark_as_read(**given)


@instead_of(tag.add_tag)
def add_tag(given: dict[str, Any]) -> Any:
    """Refuses tags of jobs and hidden documents: Frappe tags any row. 15, 16."""
    check_mark(given["dt"], given["dn"])
    return tag.add_tag(**given)


@instead_of(tag.remove_tag)
def remove_tag(given: dict[str, Any]) -> Any:
    """Refuses to remove such a tag: Frappe changes any row. 15, 16."""
    check_mark(given["dt"], given["dn"])
    return tag.remove_tag(**given)


@instead_of(tag.add_tags)
def add_tags(given: dict[str, Any]) -> Any:
    """Refuses such tags for several documents. 15, 16."""
    names = parsed(given, "docs")
    if not isinstance(names, list) and not sees_everything():
        raise frappe.ValidationError(_("{0} must be a list.").format("docs"))
    check_mark(given["dt"], *names)
    return tag.add_tags(**given)


@instead_of(email.relink)
def relink(given: dict[str, Any]) -> Any:
    """Moves a mail only between documents that the user may see, and to none of ours: Frappe moves any to any.

    Comments and files of the mail would come along. 15, 16.
    """
    communication = text_of(given, "name")
    kind, name = frappe.db.get_value("Communication", communication, REFERENCES["Communication"]) or (None, None)
    if not may_refer_to(kind, name):
        return None
    target = given.get("reference_doctype"), given.get("reference_name")
    check(*target)
    further_rows.check_move("Communication", *target)
    return email.relink(**given)


@instead_of(printview.get_html_and_style)
def get_html_and_style(given: dict[str, Any]) -> Any:
    """Refuses a sent document with links to hidden ones: Frappe prints it with the titles of all its links. 15, 16."""
    sent = None if isinstance(given.get("name"), str) else parsed(given, "doc")
    if isinstance(sent, dict) and sent.get("doctype"):
        links.check(frappe.get_doc(sent), lambda: _stored(sent))
    return printview.get_html_and_style(**given)


def _stored(sent: dict[str, Any]) -> Any:
    doctype, name = sent["doctype"], sent.get("name")
    is_there = isinstance(name, str) and frappe.db.exists(doctype, name)
    return frappe.get_doc(doctype, name) if is_there and frappe.has_permission(doctype, "read", doc=name) else None


@instead_of(file_manager.add_attachments)
def add_attachments(given: dict[str, Any]) -> Any:
    """Copies only Files that the user may read: Frappe copies any named File for everybody. 15, 16."""
    _check_attachments(given)
    return file_manager.add_attachments(**given)


@instead_of(communication_email.make)
def make(given: dict[str, Any]) -> Any:
    """Attaches only such Files to a mail. 15, 16."""
    _check_attachments(given)
    return communication_email.make(**given)


def _check_attachments(given: dict[str, Any]) -> None:
    """Raises frappe.DoesNotExistError for a File that the user may not read. Frappe fails itself for a missing one."""
    names = parsed(given, "attachments") if given.get("attachments") and not sees_everything() else []
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    files = frappe.get_all("File", {"name": ["in", names]}, ["name", "attached_to_doctype"]) if names else []
    for file in files:
        is_hidden_step = file.attached_to_doctype in STEPS and not may_refer_to("File", file.name)
        if is_hidden_step or not frappe.has_permission("File", "read", doc=file.name):
            throw_missing("File", file.name)
