"""The records of a DocType that the current user may read, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import frappe
from frappe import _
from frappe.desk import reportview
from frappe.model import default_fields, get_permitted_fields, no_value_fields

from dartwing_core.jobs import PermanentError

MAX_SORTED_ROWS = 200_000
FIRST_BATCH, LARGEST_BATCH = 20, 1_000
BATCH_CHARACTERS = 1_000_000
"""Characters of text in a batch, about. So fewer wide rows are read at a time."""


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Records of one DocType that `frappe.get_list` returns for the current user, in batches of bounded size."""

    doctype: str
    fields: list[str]
    filters: list[list[Any]] = field(default_factory=list)
    order_by: str | None = None
    """A sort order in SQL. Without one, records come by name."""
    limit: int | None = None

    def labels(self) -> list[str]:
        """Column titles in the user's language."""
        meta = frappe.get_meta(self.doctype)
        return [_(meta.get_label(name) or name) for name in self.fields]

    def count(self) -> int:
        """How many records there are, at most `limit`."""
        form = frappe.local.form_dict
        frappe.local.form_dict = frappe._dict(doctype=self.doctype, filters=self._filters())
        try:
            found = reportview.get_count()
        finally:
            frappe.local.form_dict = form
        return min(found, self.limit or found)

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """The records, some at a time, each a dict of `fields` and name."""
        return self._sorted() if self.order_by else self._by_name()

    def readable(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows whose documents the user may open.

        `frappe.get_list` has applied roles, user permissions, shares and query conditions already, but not the hook
        `has_permission`. If the DocType has such a hook, each document is loaded and checked.
        """
        hooks = frappe.get_hooks("has_permission")
        if not (hooks.get(self.doctype) or hooks.get("*")):
            return rows
        return [row for row in rows if self._may_open(row["name"])]

    def _by_name(self) -> Iterator[list[dict[str, Any]]]:
        """Batches by name. Each starts after the last name of the one before, since an OFFSET would read all rows."""
        last, left, size = None, self.limit, FIRST_BATCH
        while left is None or left > 0:
            wanted = size if left is None else min(size, left)
            behind: list[list[Any]] = [] if last is None else [[self.doctype, "name", ">", last]]
            rows = self._read(behind, order_by=self._column("name", "asc"), limit=wanted)
            if rows:
                yield rows
            if len(rows) < wanted:
                return
            last, left, size = rows[-1]["name"], left and left - len(rows), _next_size(size, rows)

    def _sorted(self) -> Iterator[list[dict[str, Any]]]:
        """Batches by `order_by`: first all names in their order, then the records of some names at a time."""
        wanted = min(self.limit or MAX_SORTED_ROWS + 1, MAX_SORTED_ROWS + 1)
        found = frappe.get_list(
            self.doctype,
            fields=["name"],
            filters=self._filters(),
            order_by=f"{self.order_by}, {self._column('name', 'asc')}",
            limit=wanted,
            as_list=True,
        )
        if len(found) > MAX_SORTED_ROWS:
            raise PermanentError(
                _("At most {0} records can be sorted. Leave out order_by, or set a limit.").format(
                    f"{MAX_SORTED_ROWS:,}"
                )
            )
        start, size = 0, FIRST_BATCH
        while names := [row[0] for row in found[start : start + size]]:
            rows = {row["name"]: row for row in self._read([[self.doctype, "name", "in", names]], limit=len(names))}
            batch = [rows[name] for name in names if name in rows]
            yield batch
            start, size = start + len(names), _next_size(size, batch)

    def _read(self, more: list[list[Any]], **arguments: Any) -> list[dict[str, Any]]:
        columns = [*self.fields, *([] if "name" in self.fields else ["name"])]
        return frappe.get_list(self.doctype, fields=columns, filters=self._filters() + more, **arguments)

    def _filters(self) -> list[list[Any]]:
        return [list(condition) for condition in self.filters]  # copies, since Frappe may change its arguments

    def _column(self, name: str, direction: str) -> str:
        return f"`tab{self.doctype}`.`{name}` {direction}"

    def _may_open(self, name: Any) -> bool:
        try:
            return bool(frappe.get_doc(self.doctype, name).has_permission("read"))
        except frappe.DoesNotExistError:
            frappe.clear_last_message()
            return False


def exportable_fields(doctype: str) -> list[str]:
    """Fields that the current user may export: readable at their permission level, stored, and never a Password."""
    meta = frappe.get_meta(doctype)
    permitted = set(get_permitted_fields(doctype, ignore_virtual=True)) & set(meta.get_valid_columns())
    # In lists, Frappe ignores the permission levels of its core DocTypes, such as User.
    levels = {0, *meta.get_permlevel_access("read")}
    if frappe.session.user == "Administrator":
        levels |= {df.permlevel for df in meta.fields}
    hidden = {
        df.fieldname
        for df in meta.fields
        if df.fieldtype in no_value_fields or df.fieldtype == "Password" or df.permlevel not in levels
    }
    order = [*default_fields, *(df.fieldname for df in meta.fields), *sorted(permitted)]
    return [name for name in dict.fromkeys(order) if name in permitted - hidden - {"doctype"}]


def _next_size(size: int, rows: list[dict[str, Any]]) -> int:
    """The number of rows to read next, for about BATCH_CHARACTERS of text. It grows fourfold at most."""
    characters = sum(len(value) for row in rows for value in row.values() if isinstance(value, str))
    fitting = BATCH_CHARACTERS * len(rows) // max(characters, 1)
    return max(1, min(fitting, size * 4, LARGEST_BATCH))
