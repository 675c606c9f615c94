"""Frappe's personal rows about the engine's DocTypes: notices, saved filters, cards, charts, mailed reports.

Frappe lists notices to their user, but shows each to all users who name it or filter for it. It shows saved filters,
cards and charts to all users. Rows about other DocTypes stay as they are. (15, 16)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import frappe
from frappe import _
from frappe.desk import query_report
from frappe.model.document import Document
from pypika.queries import QueryBuilder
from pypika.terms import Criterion, Not

from dartwing_core.jobs.access import visibility
from dartwing_core.jobs.access.desk_access import (
    TENANT_DOCTYPES,
    as_sql,
    notify_nobody,
    now_and_before,
    throw_missing,
)

from . import by_request, references, report_access, spelled_names, wrapping
from .doctypes import PERSONAL, ROW_DOCTYPES
from .loaded_names import loaded_name
from .mentions import MODULE, NOTICE, naming_step
from .references import PREPARED, STEPS, check_other_apps


@dataclass(frozen=True, slots=True)
class Kind:
    """Fields of a DocType. `about`: the DocType that a row is about. `owner`: its user, or none if it is for all."""

    about: str | None
    owner: str
    report: str | None = None
    """The report that a row shows."""
    method: str | None = None
    """The function that computes a row's figures."""
    published: tuple[str, ...] = ()
    """Fields, one of which is set if the owner has published a row. Rows of System Managers are for all as well."""
    name: str | None = None
    """The document that a row is about."""
    is_kept: bool = False
    """Whether a row keeps what its report showed. If the report has changed since, nobody knows what that is."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The DocTypes on whose reports a row is for its owner alone."""
        return tuple(sorted(report_access.doctypes_with_ours())) if self.is_kept else tuple(TENANT_DOCTYPES)

    @property
    def fields(self) -> list[str]:
        """The fields that tell what a row is about."""
        kept = ("creation", "filters") if self.is_kept else ()
        return [field for field in (self.about, self.name, self.report, self.method, *kept) if field]


KINDS = {
    NOTICE: Kind("document_type", "for_user", name="document_name"),
    "List Filter": Kind("reference_doctype", "for_user"),
    "Number Card": Kind("document_type", "owner", "report_name", "method", ("is_public", "is_standard")),
    "Dashboard Chart": Kind("document_type", "owner", "report_name", None, ("is_public", "is_standard")),
    "Auto Email Report": Kind(None, "user", "report"),
    PREPARED: Kind(None, "owner", "report_name", is_kept=True),
}
BOARD = "Kanban Board"
OUR_FUNCTIONS = f"{wrapping.APP}."


def conditions(user: str | None = None, doctype: str = "List Filter") -> str:
    """`permission_query_conditions` of KINDS."""
    viewer = visibility.viewer(user)
    kind = KINDS[doctype]
    return "" if viewer.sees_everything else _conditions_text(frappe.db.db_type, doctype, viewer.user, kind.reads)


@functools.lru_cache(maxsize=256)
def _conditions_text(_db_type: str, doctype: str, user: str, reads: tuple[str, ...]) -> str:
    """The text of the conditions, which takes milliseconds to make. It depends on these values alone."""
    return as_sql(_is_shown(frappe.qb.DocType(doctype), KINDS[doctype], user, reads))


def _is_shown(table: Any, kind: Kind, user: str, reads: Collection[str]) -> Criterion:
    """The condition for rows that this user may see."""
    owner = table[kind.owner]
    for_all = [owner.isnull(), owner.isin(["", user]), *(table[field] == 1 for field in kind.published)]
    if kind.published:
        for_all.append(owner.isin(_managers()))
    return Criterion.any([*for_all, Criterion.all(_of_others(table, kind, reads))])


def hidden_of(doctype: str, names: Collection[str]) -> set[str]:
    """Those of these rows of PERSONAL that the current user may not see, in any spelling."""
    if visibility.viewer().sees_everything:
        return set()
    table, hidden = frappe.qb.DocType(doctype), _hidden_query(doctype)
    return spelled_names.leading_to(names, lambda some: hidden.where(table.name.isin(some)).run(pluck=True))


def hidden_names(doctype: str) -> list[str]:
    """All rows of a DocType of PERSONAL that the current user, who does not see everything, may not see."""
    return _hidden_query(doctype).run(pluck=True)


def _hidden_query(doctype: str) -> QueryBuilder:
    viewer, table = visibility.viewer(), frappe.qb.DocType(doctype)
    if doctype == BOARD:
        is_hidden = table.reference_doctype.isin(TENANT_DOCTYPES) & (table.private == 1) & (table.owner != viewer.user)
    else:
        kind = KINDS[doctype]
        is_hidden = Not(_is_shown(table, kind, viewer.user, kind.reads))
    return frappe.qb.from_(table).select(table.name).where(is_hidden)


def is_about_ours(doctype: Any, name: Any) -> bool:
    """Whether this is a row of PERSONAL about one of our DocTypes."""
    if doctype not in PERSONAL or not isinstance(name, str):
        return False
    if doctype == BOARD:
        return frappe.db.get_value(BOARD, name, "reference_doctype") in TENANT_DOCTYPES
    kind = KINDS[doctype]
    row = frappe.db.get_value(doctype, name, kind.fields, as_dict=True)
    return row is not None and _is_about_ours(kind, row)


def kanban_conditions(user: str | None = None, doctype: str = "Kanban Board Column") -> str:
    """`permission_query_conditions` of columns of boards, which hold the names of all cards.

    Those on the engine's DocTypes are for the owner of their board. Frappe lists those of private boards too. (15, 16)
    """
    viewer = visibility.viewer(user)
    if viewer.sees_everything:
        return ""
    board = frappe.qb.DocType(BOARD)
    ours = board.reference_doctype.isin(TENANT_DOCTYPES) & (board.owner != viewer.user)
    return as_sql(frappe.qb.DocType(doctype).parent.notin(frappe.qb.from_(board).select(board.name).where(ours)))


def _of_others(table: Any, kind: Kind, reads: Collection[str]) -> list[Criterion]:
    """Conditions for a row that is about none of the engine's DocTypes."""
    found = []
    if kind.about:
        found.append(table[kind.about].isnull() | table[kind.about].notin(TENANT_DOCTYPES))
    if kind.about and kind.name:
        about, name = table[kind.about], table[kind.name]
        found.append(about.isnull() | about.notin(STEPS) | name.isnull() | Not(naming_step(about, name)))
    if kind.report:
        report = frappe.qb.DocType("Report")
        named, reads_ours = frappe.qb.from_(report).select(report.name), report.ref_doctype.isin([*reads])
        if kind.is_kept:
            is_same = (report.report_type != report_access.CUSTOM) & (report.modified <= table.creation)
            found.append(table[kind.report].isin(named.where(is_same & Not(reads_ours))))
            # Frappe stores other letters as "\u…": in another spelling, the text may name a DocType too.
            values = ["%\\\\u%", *(f'%"{one}"%' for one in sorted({*ROW_DOCTYPES, *reads}))]
            found.append(table.filters.isnull() | Not(Criterion.any(map(table.filters.like, values))))
        else:
            found.append(table[kind.report].isnull() | table[kind.report].notin(named.where(reads_ours)))
    if kind.method:
        found.append(table[kind.method].isnull() | table[kind.method].not_like(f"{OUR_FUNCTIONS}%"))
    return found


def _managers() -> QueryBuilder:
    role = frappe.qb.DocType("Has Role")
    has_it = (role.parenttype == "User") & (role.role == "System Manager")
    return frappe.qb.from_(role).select(role.parent).where(has_it)


def has_permission(doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False) -> bool:
    """`has_permission` of KINDS: no for others' rows about the engine's DocTypes. Else the other hooks decide."""
    return _is_for(doc, visibility.viewer(user), ptype) and check_other_apps(doc, ptype, user, debug)


def check(doc: Document) -> None:
    """Raises frappe.DoesNotExistError for a row that belongs only to another user."""
    if not _is_for(doc, visibility.viewer()):
        throw_missing(doc.doctype, doc.name)


def _only_visible_prepared(get_result: Callable[..., Any]) -> Callable[..., Any]:
    """Frappe returns the prepared report that its user names, of whatever report, without a permission. (15, 16)"""

    @functools.wraps(get_result)
    def checked(report: Any, filters: Any, dn: Any = "", user: str | None = None) -> Any:
        if not by_request.is_by_request():
            return get_result(report, filters, dn, user)
        if dn and not visibility.viewer().sees_everything:
            if not isinstance(dn, str):
                raise frappe.ValidationError(_("{0} must be text.").format("prepared_report_name"))
            check(frappe.get_doc(PREPARED, dn))
        found = get_result(report, filters, dn, user)
        is_hidden = found.get("doc") and not _is_for(found["doc"], visibility.viewer())
        return {"prepared_report": True, "doc": None} if is_hidden else found  # of the user who was named

    return checked


def stay_quiet(doc: Document, _method: str | None = None) -> None:
    """`validate` and `on_trash` of KINDS: send no update. It would tell the name to all users with a list of rows."""
    if _is_about_ours(KINDS[doc.doctype], doc):
        doc.notify_update = notify_nobody


def check_filter(doc: Document, _method: str | None = None) -> None:
    """`validate` of List Filter: a list of ours shows filters for all, so only who reads it saves one."""
    if doc.reference_doctype in TENANT_DOCTYPES and doc.for_user != frappe.session.user:
        frappe.has_permission(doc.reference_doctype, throw=True)


def _is_for(doc: Document, viewer: visibility.Viewer, ptype: str | None = None) -> bool:
    if viewer.sees_everything:
        return True
    kind = KINDS[doc.doctype]
    fields = [kind.owner, *kind.published, *kind.fields]
    rows = [dict(zip(fields, values, strict=True)) for values in now_and_before(doc, fields, ptype)]
    return all(not _is_about_ours(kind, row) or _is_for_all(kind, row, viewer) for row in rows)


def _is_for_all(kind: Kind, row: dict[str, Any], viewer: visibility.Viewer) -> bool:
    """Whether the viewer may see the row, even if it is about ours."""
    owner = row[kind.owner]
    if owner in (None, "", viewer.user) or any(row[field] for field in kind.published):
        return True
    return bool(kind.published) and visibility.sees_everything(owner)


def _is_about_ours(kind: Kind, row: Any) -> bool:
    """Whether a document, or a dict of its fields, is about one of the engine's DocTypes.

    Also if users have added columns of ours to its report. Lists don't ask for those: they show no content.
    """
    about, report, method = (row.get(field) if field else None for field in (kind.about, kind.report, kind.method))
    if kind.is_kept:
        is_same = report_access.is_same_since(report, row.get("creation"))
        return not is_same or report_access.names_ours(row.get("filters"))
    is_on_report = report is not None and report_access.is_on(report, kind.reads)
    if kind.name and references.is_about_ours(about, row.get(kind.name)):
        return True
    return about in TENANT_DOCTYPES or is_on_report or str(method or "").startswith(OUR_FUNCTIONS)


# Filters of charts ------------------------------------------------------------------------------------------------


def has_settings_permission(
    doc: Document, ptype: str | None = None, user: str | None = None, debug: bool = False
) -> bool:
    """`has_permission` of Dashboard Settings: no for another user's, if they hold filters of our charts. (15, 16)"""
    viewer = visibility.viewer(user)
    is_own = viewer.sees_everything or viewer.user == (loaded_name(doc) or doc.name)
    return (is_own or not _has_filters_of_ours(doc, ptype)) and check_other_apps(doc, ptype, user, debug)


def _has_filters_of_ours(settings: Document, ptype: str | None) -> bool:
    """Whether settings hold filters of a chart about ours, or of one that is deleted by now."""
    stored = [text for (text,) in now_and_before(settings, ["chart_config"], ptype) if text]
    configs = [frappe.parse_json(text) for text in stored]
    names = {name for config in configs if isinstance(config, dict) for name in config}
    fields = ["name", "document_type", "report_name", "module"]
    charts = frappe.get_all("Dashboard Chart", filters={"name": ["in", sorted(names)]}, fields=fields) if names else []
    is_gone = len(charts) < len(names)
    return is_gone or any(row.module == MODULE or _is_about_ours(KINDS["Dashboard Chart"], row) for row in charts)


wrapping.replace(query_report, "get_prepared_report_result", _only_visible_prepared)
