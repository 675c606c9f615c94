"""Deletes rows of Frappe's that refer to documents which SQL deletes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import frappe
from pypika.queries import QueryBuilder

from ..access import desk_access
from ..base import clock
from ..base.outside_errors import BaseTimeoutException
from ..base.pieces import in_pieces
from ..db import best_effort, deletion, sql
from ..store import private_files
from . import blocking_rows

SAVEPOINT = "dartwing_core_file"
FIELDS = desk_access.REFERENCES | {"Notification Log": ("document_type", "document_name")}
OF_ANY = ("Comment", "Communication")
OF_FORMS = ("Version", "ToDo", "Document Follow", "Tag Link", "View Log", "DocShare", "Notification Log")
"""Further rows about documents that people edit in forms. The engine's own documents have none."""
MAIL = "Communication"
BY_FRAPPE = ("File", MAIL)
"""Deleted by Frappe's function, which locks each row by itself, and does not wait for it."""
REFERRED_TO = frozenset({"File", "Comment", MAIL, "ToDo"})
"""Rows that have such rows in turn."""
MOST_LEVELS = 4
"""Users make rows about our documents, and none about those (`wall/further_rows`). Code of the site might."""
Row = tuple[str, str]
"""A DocType, and the name of one of its documents."""


def delete_rows_of_missing(deadline: float) -> None:
    """Delete rows whose document of ours is gone: those that were kept, and uploads beside a deletion.

    Rows that name no document are people's own. Commits each.
    """
    before = clock.site_time() - timedelta(seconds=private_files.ORPHANED_AFTER)
    for doctype in desk_access.TENANT_DOCTYPES:
        for referring in sorted(REFERRED_TO):
            query = _rows_of_missing_query(referring, doctype, before)
            for found in query.run(pluck=True):
                if time.monotonic() > deadline:
                    return
                best_effort.run(partial(sql.committed, partial(_delete_with_further, (referring, found), query)))


def _rows_of_missing_query(referring: str, doctype: str, before: datetime) -> QueryBuilder:
    row, document = frappe.qb.DocType(referring), frappe.qb.DocType(doctype)
    kind, name = (row[field] for field in FIELDS[referring])
    query = frappe.qb.from_(row).left_join(document).on(document.name == name).select(row.name)
    query = query.where((kind == doctype) & name.isnotnull() & (name != ""))
    return query.where((row.modified < before) & document.name.isnull())


def _delete_with_further(row: Row, query: QueryBuilder) -> None:
    """Delete this row with those about it, if the query still finds it: it may be about another document by now."""
    doctype, name = row
    if not query.where(frappe.qb.DocType(doctype).name == name).run():
        return
    _delete_and_release(_rows_about(doctype, [name], (*OF_ANY, *OF_FORMS)) | {row: None}, {})


def delete_about(doctype: str, names: Sequence[str], *, has_form: bool = False, by_sql: bool = True) -> None:
    """Delete files, comments, mails and other rows about these documents, and rows about those.

    Left alone, they would be about nothing, and so be shown to everybody. Mails stay among the deleted documents, which
    only System Managers see. A row that another app or a lock keeps stays, with the rows between it and the document.
    All of them are about a document that is gone, so they are hidden. The daily clean-up tries most of them again.

    `by_sql`: no `on_trash` has released these documents from rows that link to them.
    """
    rows = _rows_about(doctype, names, (*OF_ANY, *OF_FORMS) if has_form else OF_ANY)
    _delete_and_release(rows, {doctype: names} if by_sql else {})


def _delete_and_release(rows: Mapping[Row, Row | None], documents: Mapping[str, Sequence[str]]) -> None:
    """Delete these rows, and release them and further documents from rows that link to them."""
    with deletion.short_lock_waits():
        blocking_rows.release_rows({**_delete_rows(rows), **documents})


def _delete_rows(rows: Mapping[Row, Row | None]) -> dict[str, list[str]]:
    """Delete these rows, each given with the row that it is about. Returns the names of the deleted by DocType."""
    below = _rows_below_mails(rows)
    kept: set[Row] = set()

    def keep(row: Row) -> None:
        """Keep a row with those that it is about. A mail among these stays as it was, with its files and comments."""
        kept.update(*({above, *below.get(above, ())} for above in _with_above(row, rows)))

    for row in _locked(rows):
        keep(row)
    for mail in reversed(below):  # the deepest first
        if mail not in kept and not _is_deleted(partial(_delete_mail, mail[1], _names("File", below[mail]))):
            keep(mail)
    of_mails = {row for further in below.values() for row in further}
    for row in rows:
        is_file = row[0] == "File" and row not in of_mails and row not in kept
        if is_file and not _is_deleted(partial(_delete_file, row[1])):
            keep(row)
    gone = _by_doctype(row for row in rows if row not in kept)
    for doctype, names in gone.items():
        if doctype not in BY_FRAPPE:
            deletion.delete_named(doctype, names)
    return gone


def _locked(rows: Iterable[Row]) -> Iterator[Row]:
    """Lock the rows that SQL deletes. Returns those that others have locked."""
    for doctype, names in _by_doctype(row for row in rows if row[0] not in BY_FRAPPE).items():
        table = frappe.qb.DocType(doctype)
        query = frappe.qb.from_(table).force_index("PRIMARY").select(table.name).for_update(skip_locked=True)
        for some in in_pieces(sorted(names), sql.MOST_LOCKED_NAMES):
            free = {name for (name,) in sql.run_locking_read(query.where(table.name.isin(some)))}
            yield from ((doctype, name) for name in some if name not in free)


def _by_doctype(rows: Iterable[Row]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = defaultdict(list)
    for doctype, name in rows:
        names[doctype].append(name)
    return names


def _rows_below_mails(rows: Mapping[Row, Row | None]) -> dict[Row, list[Row]]:
    """Each mail, with the rows about it and about those in turn."""
    below: dict[Row, list[Row]] = {row: [] for row in rows if row[0] == MAIL}
    for row in rows:
        for mail in (_with_above(row, rows) - {row}) & below.keys() if below else ():
            below[mail].append(row)
    return below


def _names(doctype: str, rows: Sequence[Row]) -> list[str]:
    return [name for kind, name in rows if kind == doctype]


def _with_above(row: Row | None, rows: Mapping[Row, Row | None]) -> set[Row]:
    """This row, and those that it is about in turn."""
    found: set[Row] = set()
    while row is not None and row in rows and row not in found:
        found.add(row)
        row = rows[row]
    return found


def _rows_about(doctype: str, names: Sequence[str], kinds: Sequence[str]) -> dict[Row, Row | None]:
    """The rows about these documents, and those about them in turn, each with what it is about. Takes no locks."""
    found: dict[Row, Row | None] = {}
    level = {doctype: list(names)}
    for _depth in range(MOST_LEVELS):
        further: dict[str, list[str]] = defaultdict(list)
        for about, some in level.items():
            for referring in ("File", *kinds):
                further[referring] += _add_rows(found, referring, about, some)
        level = {referring: rows for referring, rows in further.items() if rows and referring in REFERRED_TO}
        kinds = (*OF_ANY, *OF_FORMS)
    return found


def _add_rows(found: dict[Row, Row | None], referring: str, doctype: str, names: Sequence[str]) -> list[str]:
    """The rows of a DocType about these documents that were not found yet. Adds them to `found`."""
    kind, name = FIELDS[referring]
    filters = {kind: doctype, name: ("in", names)}
    rows = frappe.get_all(referring, filters=filters, fields=["name", name], as_list=True) if names else []
    new = [(row, about) for row, about in rows if (referring, row) not in found]  # rows may refer to each other
    found.update({(referring, row): (doctype, about) for row, about in new})
    return [row for row, _about in new]


def _delete_file(name: str) -> None:
    flags = {"goes_with_document": True}
    options = {"ignore_permissions": True, "force": True, "ignore_missing": True}
    frappe.delete_doc("File", name, flags=flags, delete_permanently=True, **options)


def _delete_mail(name: str, files: Sequence[str]) -> None:
    for file in files:
        _delete_file(file)
    frappe.db.set_value("Email Queue", {"communication": name}, "communication", None)  # it is still to be sent
    frappe.delete_doc(MAIL, name, ignore_permissions=True, force=True, ignore_missing=True)


def _is_deleted(delete: partial[None]) -> bool:
    """Delete a document by this call. Returns False if another app or a lock keeps it."""
    told = len(frappe.local.message_log)
    frappe.db.savepoint(SAVEPOINT)
    try:
        delete()
    except BaseTimeoutException:
        raise
    except Exception:  # a hook of another app may raise anything
        frappe.db.rollback(save_point=SAVEPOINT)  # raises if the database has undone the whole transaction
        del frappe.local.message_log[told:]
        frappe.logger("dartwing_core").exception(f"{delete.args[0]} could not be deleted")
        return False
    return True
