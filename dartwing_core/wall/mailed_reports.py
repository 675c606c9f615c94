"""Makes a mailed report with the permissions of its user, and lets nobody mail with those of another one.

Frappe makes scripts of reports as the scheduler, which sees everything, or as whoever clicks. A report manager may name
any user, any report, also one that does not exist yet, and any filters. Their rows and currencies lead to documents
that Frappe reads without a permission. So all reports are made as their user, and only who sees everything names
another one. (15, 16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _
from frappe.email.doctype.auto_email_report import auto_email_report
from frappe.email.doctype.auto_email_report.auto_email_report import AutoEmailReport
from frappe.utils import escape_html

from dartwing_core.handlers import record_files
from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import CHECKS_READS, TENANT_DOCTYPES

from . import wrapping
from .report_access import BY_QUERY, CUSTOM, chain_of

if TYPE_CHECKING:
    from frappe.model.document import Document

MAILING = "Auto Email Report"
MAILED_OURS = "dartwing_core_mailed_ours"
"""In `frappe.flags` while a report is made: whether it is on one of our DocTypes."""


def check_sending(doc: Document, method: str | None = None) -> None:
    """`validate` of Auto Email Report."""
    _check(doc, frappe.session.user)


def check_report(doc: Document, method: str | None = None) -> None:
    """`validate` of Report: nobody changes what is mailed with the permissions of another user.

    Also a new one, of whose name a mailing or a Custom Report has been waiting. The database compares the names.
    """
    leading, found = {doc.name}, {doc.name}
    while found:
        by_reference = {"reference_report": ["in", sorted(found)], "report_type": CUSTOM}
        found = {*frappe.get_all("Report", by_reference, pluck="name")} - leading
        leading |= found
    mailings = frappe.get_all(MAILING, {"report": ["in", sorted(leading)]}, ["user", "enabled"], distinct=True)
    if mailings:
        _check_chain([doc, *(chain_of(doc.reference_report) if doc.report_type == CUSTOM else ())])
    if not all(_may_mail(mailing.user, frappe.session.user) for mailing in mailings if mailing.enabled):
        text = _("The report {0} is mailed with the permissions of another user, who may change it.")
        frappe.throw(text.format(_(doc.name)), frappe.PermissionError)


def _check(mailing: Any, maker: str) -> None:
    """Raises frappe.PermissionError if `maker`, who changes or requests a mailing, may not have it made."""
    _check_chain(chain_of(mailing.report))
    if not _may_mail(mailing.user, maker):
        text = _("The report {0} can be sent only with your own permissions. Enter yourself as its user.")
        frappe.throw(text.format(_(mailing.report)), frappe.PermissionError)


def _check_chain(chain: Sequence[Document]) -> None:
    """Raises frappe.PermissionError for a script on jobs and the like."""
    if chain and chain[-1].ref_doctype in TENANT_DOCTYPES and chain[-1].report_type != BY_QUERY:
        text = _("The report {0} can't be sent: it would hold the jobs of all organizations.")
        frappe.throw(text.format(_(chain[-1].name)), frappe.PermissionError)


def _may_mail(user: str, maker: str) -> bool:
    """Whether `maker` may mail with the permissions of `user`."""
    return user == maker or visibility.sees_everything(maker)


def _made_as_its_user(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`AutoEmailReport.get_report_content`. The scheduler makes it for who has changed the mailing last."""

    @functools.wraps(make)
    def checked(mailing: Any) -> Any:
        if getattr(frappe.local, "request", None):
            return _made(make, mailing, frappe.session.user)
        try:
            return _made(make, mailing, mailing.modified_by)
        except (frappe.PermissionError, frappe.ValidationError) as error:
            # Frappe's monthly mailings would end here, for all users. A hidden document is said to be missing.
            frappe.clear_messages()
            mailing.log_error(_("The report {0} was not sent").format(mailing.report), str(error))
            return None

    return checked


def _made(make: Callable[[Any], Any], mailing: Any, maker: str) -> Any:
    """The content of a mailing as its user. Raises frappe.PermissionError."""
    _check(mailing, maker)
    is_of_ours = any(one.ref_doctype in TENANT_DOCTYPES for one in chain_of(mailing.report))
    with _reading_as(mailing.user, {CHECKS_READS: True, MAILED_OURS: is_of_ours}):
        content = make(mailing)
    return _neutral(content, mailing.format) if is_of_ours else content


@contextmanager
def _reading_as(user: str, flags: dict[str, Any]) -> Iterator[None]:
    """Read as this user while entered, with these flags. A request keeps its session."""
    session, before, form = frappe.local.session, frappe.session.user, frappe.local.form_dict
    kept = (session.get("sid"), session.get("data"))
    flagged = {name: frappe.flags.get(name) for name in flags}

    def become(user: str) -> None:
        frappe.set_user(user)
        session.sid, session.data = kept
        frappe.local.form_dict = form

    become(user)
    frappe.flags.update(flags)
    try:
        yield
    finally:
        frappe.flags.update(flagged)
        become(before)


def _of_visible(make_links: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`make_links`: Frappe loads the document that a stored column and a row name, for its currency.

    It writes all texts into a mail as HTML. Those of jobs and the like are shown as texts.
    """

    @functools.wraps(make_links)
    def made(columns: Any, data: Any) -> Any:
        is_of_ours = frappe.flags.get(MAILED_OURS)
        if is_of_ours is not None and not visibility.sees_everything(frappe.session.user):
            for column in columns:
                if isinstance(column, dict):  # others are fields of the report's DocType
                    column["parent"] = None
        return make_links(columns, [_escaped(row) for row in data] if is_of_ours else data)

    return made


def _escaped(row: Any) -> Any:
    return frappe._dict({key: escape_html(one) if isinstance(one, str) else one for key, one in row.items()})


def _neutral(content: Any, kind: str) -> Any:
    """A file without formulas."""
    if content and kind == "XLSX":
        return record_files.neutral_xlsx(content)
    if content and kind == "CSV":
        is_text = isinstance(content, str)
        neutral = record_files.neutral_csv(content.encode() if is_text else content, ",")
        return neutral.decode() if is_text else neutral
    return content


wrapping.replace(AutoEmailReport, "get_report_content", _made_as_its_user)
wrapping.replace(auto_email_report, "make_links", _of_visible)
