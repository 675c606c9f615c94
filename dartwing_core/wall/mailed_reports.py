"""Makes a mailed report with the permissions of its user, and lets nobody mail with those of another one.

Frappe makes scripts of reports as the scheduler, which sees everything, or as whoever clicks. A report manager may name
any user, any report, also one that does not exist yet, and any filters. Their rows and currencies lead to documents
that Frappe reads without a permission. So all reports are made as their user. Only who sees everything names another
one, but for Report Builder reports on DocTypes that hold nothing of ours, and no keys to accounts. (15, 16)
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

from .doctypes import guarded_doctype
from .report_access import BY_QUERY, CUSTOM, chain_of, doctypes_of, may_hold_ours

if TYPE_CHECKING:
    from frappe.model.document import Document

MAILING = "Auto Email Report"
WITH_KEYS = frozenset({"Core", "Email", "Integrations"})
"""Modules of Frappe whose DocTypes hold keys and tokens of accounts."""


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
    users = frappe.get_all(MAILING, {"report": ["in", sorted(leading)]}, pluck="user", distinct=True)
    chain = [doc, *(chain_of(doc.reference_report) if doc.report_type == CUSTOM else ())]
    if users:
        _check_chain(chain)
    if not all(_may_mail(chain, user, frappe.session.user) for user in users):
        text = _("The report {0} is mailed with the permissions of another user, who may change it.")
        frappe.throw(text.format(_(doc.name)), frappe.PermissionError)


def _check(mailing: Any, maker: str) -> None:
    """Raises frappe.PermissionError if `maker`, who changes or requests a mailing, may not have it made."""
    chain = chain_of(mailing.report)
    _check_chain(chain)
    if not _may_mail(chain, mailing.user, maker):
        text = _("The report {0} can be sent only with your own permissions. Enter yourself as its user.")
        frappe.throw(text.format(_(mailing.report)), frappe.PermissionError)


def _check_chain(chain: Sequence[Document]) -> None:
    """Raises frappe.PermissionError for a script on jobs and the like."""
    if chain and chain[-1].ref_doctype in TENANT_DOCTYPES and chain[-1].report_type != BY_QUERY:
        text = _("The report {0} can't be sent: it would hold the jobs of all organizations.")
        frappe.throw(text.format(_(chain[-1].name)), frappe.PermissionError)


def _may_mail(chain: Sequence[Document], user: str, maker: str) -> bool:
    """Whether `maker` may mail a chain of reports with the permissions of `user`."""
    return user == maker or visibility.sees_everything(maker) or _is_ordinary(chain)


def _is_ordinary(chain: Sequence[Document]) -> bool:
    """Whether a report holds only what its user may read, of DocTypes that hold nothing of ours."""
    if not chain or chain[-1].report_type != BY_QUERY:
        return False
    return not any(may_hold_ours(doctype) or _may_hold_keys(doctype) for doctype in doctypes_of(chain))


def _may_hold_keys(doctype: str) -> bool:
    meta = frappe.get_meta(doctype)
    return meta.module in WITH_KEYS and not meta.custom


def _made_as_its_user(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`AutoEmailReport.get_report_content`. The scheduler makes it for who has changed the mailing last."""

    @functools.wraps(make)
    def checked(mailing: Any) -> Any:
        _check(mailing, frappe.session.user if getattr(frappe.local, "request", None) else mailing.modified_by)
        is_of_ours = any(one.ref_doctype in TENANT_DOCTYPES for one in chain_of(mailing.report))
        with _reading_as(mailing.user), _checked_cells(is_of_ours):
            content = make(mailing)
        return _neutral(content, mailing.format) if is_of_ours else content

    return checked


@contextmanager
def _reading_as(user: str) -> Iterator[None]:
    """Read as this user while entered, who gets our documents only if they are visible. A request keeps its session."""
    session, before, form = frappe.local.session, frappe.session.user, frappe.local.form_dict
    kept = (session.get("sid"), session.get("data"))
    flagged = frappe.flags.get(CHECKS_READS)

    def become(user: str) -> None:
        frappe.set_user(user)
        session.sid, session.data = kept
        frappe.local.form_dict = form

    become(user)
    frappe.flags[CHECKS_READS] = True
    try:
        yield
    finally:
        frappe.flags[CHECKS_READS] = flagged
        become(before)


@contextmanager
def _checked_cells(is_of_ours: bool) -> Iterator[None]:
    """Load no document of ours for its currency while entered, and show texts of jobs and the like as texts.

    Frappe loads what a column and a row name, and writes the texts into a mail as HTML.
    """
    make_links = auto_email_report.make_links

    def of_checked(columns: Any, data: Any) -> Any:
        for column in (one for one in columns if isinstance(one, dict)):  # others are fields of the report's DocType
            if guarded_doctype(column.get("parent")) and not visibility.sees_everything(frappe.session.user):
                column["parent"] = None
        return make_links(columns, [_escaped(row) for row in data] if is_of_ours else data)

    auto_email_report.make_links = of_checked
    try:
        yield
    finally:
        auto_email_report.make_links = make_links


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


AutoEmailReport.get_report_content = _made_as_its_user(AutoEmailReport.get_report_content)
