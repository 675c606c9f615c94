"""Deletes rows of Frappe's that refer to documents which SQL deletes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial

import frappe

from ..access import desk_access
from ..base import clock
from ..db import best_effort, sql
from ..store import private_files

SAVEPOINT = "dartwing_core_file"
GONE = "(gone)"
"""No document has this name. Frappe deletes at once what is attached to the document that goes."""
KEPT = (frappe.ValidationError, frappe.QueryTimeoutError)
FIELDS = desk_access.REFERENCES | {"Notification Log": ("document_type", "document_name")}
OF_ANY = ("Comment", "Communication")
OF_FORMS = ("Version", "ToDo", "Document Follow", "Tag Link", "View Log", "DocShare", "Notification Log")
"""Further rows about documents that people edit in forms. The engine's own documents have none."""
MAIL = "Communication"
REFERRED_TO = frozenset({"File", "Comment", MAIL, "ToDo"})
"""Rows that have such rows in turn."""
MOST_LEVELS = 4
"""Users make rows about our documents, and none about those (`wall/further_rows`). Code of the site might."""


def delete_files_of_missing(deadline: float) -> None:
    """Delete Files whose document of ours is gone: an upload beside its deletion has left them. Commits each."""
    before = clock.site_time() - timedelta(seconds=private_files.ORPHANED_AFTER)
    for doctype in desk_access.TENANT_DOCTYPES:
        file, document = frappe.qb.DocType("File"), frappe.qb.DocType(doctype)
        query = frappe.qb.from_(file).left_join(document).on(document.name == file.attached_to_name).select(file.name)
        query = query.where((file.attached_to_doctype == doctype) & (file.modified < before) & document.name.isnull())
        for name in query.run(pluck=True):
            if time.monotonic() > deadline:
                return
            best_effort.run(partial(sql.committed, partial(_delete_file, name)))


def _delete_file(name: str) -> None:
    flags = {"goes_with_document": True}
    frappe.delete_doc("File", name, flags=flags, ignore_permissions=True, force=True, delete_permanently=True)


def delete_about(doctype: str, names: Sequence[str], *, has_form: bool = False) -> None:
    """Delete files, comments, mails and other rows about these documents, and rows about those.

    Left alone, they would be about nothing, and so be shown to everybody. Mails stay among the deleted documents, which
    only System Managers see. A File that another app or a lock keeps stays, attached to a document that is gone. So it
    is hidden, and the daily clean-up tries again.
    """
    found = _rows_about(doctype, names, (*OF_ANY, *OF_FORMS) if has_form else OF_ANY)
    if kept := _delete_each(found.pop("File", ()), _delete_file):
        kind, name = FIELDS["File"]
        others = {"name": ("in", kept), kind: ("!=", doctype)}  # a write of the rest might wait for a lock
        for file in frappe.get_all("File", filters=others, pluck="name"):
            frappe.db.set_value("File", file, {kind: doctype, name: GONE}, update_modified=False)
    if mails := found.pop(MAIL, ()):
        waiting = {"communication": ("in", list(mails))}  # still to be sent
        frappe.db.set_value("Email Queue", waiting, "communication", None)
        _delete_each(mails, _delete_mail)
    for referring, rows in found.items():
        if rows:
            frappe.db.delete(referring, {"name": ("in", list(rows))})


def _rows_about(doctype: str, names: Sequence[str], kinds: Sequence[str]) -> dict[str, set[str]]:
    """The rows about these documents by their DocTypes, and those about them in turn. Reads without locks."""
    found: dict[str, set[str]] = defaultdict(set)
    level = {doctype: (list(names), kinds)}
    for _depth in range(MOST_LEVELS):
        further: dict[str, tuple[list[str], Sequence[str]]] = {}
        for about, (some, referring_kinds) in level.items():
            for referring in ("File", *referring_kinds):
                if new := _new_rows(found[referring], referring, about, some):
                    further.setdefault(referring, ([], (*OF_ANY, *OF_FORMS)))[0].extend(new)
        level = {referring: rows for referring, rows in further.items() if referring in REFERRED_TO}
    return found


def _new_rows(known: set[str], referring: str, doctype: str, names: Sequence[str]) -> list[str]:
    """The rows of a DocType about these documents that are not known yet. Adds them to `known`."""
    kind, name = FIELDS[referring]
    rows = frappe.get_all(referring, filters={kind: doctype, name: ("in", names)}, pluck="name") if names else []
    new = [row for row in rows if row not in known]  # rows may refer to each other
    known.update(new)
    return new


def _delete_mail(name: str) -> None:
    frappe.delete_doc(MAIL, name, ignore_permissions=True, force=True, ignore_missing=True)


def _delete_each(names: Collection[str], delete: Callable[[str], None]) -> list[str]:
    """Delete these documents. Returns those that another app or a lock keeps."""
    kept = []
    for name in names:
        frappe.db.savepoint(SAVEPOINT)
        try:
            delete(name)
        except KEPT:
            frappe.db.rollback(save_point=SAVEPOINT)
            frappe.clear_last_message()
            frappe.logger("dartwing_core").exception(f"{name} could not be deleted")
            kept.append(name)
    return kept
