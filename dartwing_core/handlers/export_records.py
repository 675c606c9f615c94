"""Export of a DocType's records to a CSV or XLSX file, one row at a time and in constant memory."""

from __future__ import annotations

import csv
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import IO, Annotated, Any, Literal

import frappe
from frappe import _
from frappe.desk import reportview
from frappe.model import get_permitted_fields
from frappe.permissions import can_export, get_role_permissions
from frappe.utils import create_batch, get_files_path
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from pydantic import PositiveInt

from dartwing_core.jobs import JobContext, PermanentError, job_handler
from dartwing_core.jobs.lib.texts import cut

BATCH = 250
MAX_SORTED_ROWS = 200_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
XLSX_ROWS = 1_048_576
XLSX_FIRST_YEAR = 1900


@dataclass
class ExportParameters:
    """The parameters of export_records; see there."""

    doctype: Annotated[str, "DocType to export"]
    file_format: Literal["csv", "xlsx"] = "csv"
    filters: Annotated[dict[str, Any] | list[Any] | None, "As for frappe.get_list"] = None
    fields: Annotated[list[str] | None, "Field names; by default those of the form"] = None
    order_by: Annotated[str | None, "A field name, followed by asc or desc"] = None
    limit: Annotated[PositiveInt | None, "Largest number of records"] = None


@job_handler(
    "export_records",
    results_visible_to="Owner Only",
    timeout=3_600,
    priority="Low",
    max_retries=3,
    deduplication_window=60,
)
def export_records(context: JobContext, parameters: ExportParameters) -> dict[str, Any]:
    """Writes the records that the job's owner may read and export to a private file of the job.

    `docs/job_types.md` describes the parameters. The export is logged like Frappe's own (Access Log). With a role that
    may export "if owner", the owner exports only their own records. Rows obey the rules of lists: roles, user
    permissions, shares, query conditions. Rows are read and written in batches. So the memory does not grow with their
    number, except with `order_by`, which holds all names.

    Returns `output_reference` (the file's address), `rows`, `doctype` and `file_name`. Raises PermanentError for wrong
    parameters, JobCanceledError when the job is canceled.
    """
    records = Records(parameters)
    total, written = records.count(), 0
    if parameters.file_format == "xlsx" and total >= XLSX_ROWS:
        text = _("An XLSX sheet has room for {0} records, not for {1}. Use csv, filters or a limit.")
        raise PermanentError(text.format(f"{XLSX_ROWS - 1:,}", f"{total:,}"))
    # A file without a name vanishes with its process, even after a kill.
    with tempfile.TemporaryFile(dir=get_files_path(is_private=True)) as content:
        with FORMATS[parameters.file_format](content, records.doctype) as write:
            write(records.labels())
            for batch in records.batches():
                for row in batch:
                    write([row.get(name) for name in records.fields])
                written += len(batch)
                most = max(written, total)
                context.update_progress(99 * written / most, _("{0} of {1} rows").format(f"{written:,}", f"{most:,}"))
        _log_access(records, parameters.file_format)
        title = re.sub(r"[^A-Za-z0-9]+", "-", records.doctype).strip("-")
        file = context.attach(content, f"{title}-{context.job_id}-{context.attempt}.{parameters.file_format}")
    made = {"output_reference": file.file_url, "file_name": file.name}
    return {**made, "rows": written, "doctype": records.doctype}


class Records:
    """Records of one DocType that `frappe.get_list` returns for the current user."""

    def __init__(self, parameters: ExportParameters):
        """Raises PermanentError for wrong parameters, and without the permission to export."""
        meta = frappe.get_meta(parameters.doctype)
        doctype = meta.name
        if meta.istable or meta.issingle or meta.get("is_virtual"):
            text = _("{0} can't be exported: it is a child table, a Single or a virtual DocType.")
            raise PermanentError(text.format(doctype))
        may_export_all = can_export(doctype)
        # `can_export` of Frappe 15 knows nothing of a role for own records.
        if not may_export_all and not get_role_permissions(doctype, is_owner=True)["if_owner"].get("export"):
            raise PermanentError(_("You are not allowed to export {0}.").format(_(doctype)))
        passwords = {df.fieldname for df in meta.fields if df.fieldtype == "Password"}
        permitted = {*get_permitted_fields(doctype, ignore_virtual=True)} & {*meta.get_valid_columns()} - passwords
        shown = [df.fieldname for df in meta.fields if not (df.hidden or df.report_hide)]
        fields = parameters.fields or ["name", *(name for name in shown if name in permitted)]
        filters = _conditions(doctype, parameters.filters)
        column, _space, direction = (parameters.order_by or "").partition(" ")
        for name in [*fields, *(condition[1] for condition in filters), *([column] if column else [])]:
            if name not in permitted:
                raise PermanentError(_("{0} is not a field of {1} that you may export.").format(cut(name), _(doctype)))
        if direction.strip().lower() not in ("", "asc", "desc"):
            raise PermanentError(_("order_by must be a field name, optionally followed by asc or desc."))
        if not may_export_all:
            filters.append([doctype, "owner", "=", frappe.session.user])
        self.doctype, self.filters, self.limit = doctype, filters, parameters.limit
        self.fields = list(dict.fromkeys(fields))
        self.order_by = f"`tab{doctype}`.`{column}` {direction.strip() or 'asc'}" if column else None

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

    def batches(self) -> Iterator[list[Mapping[str, Any]]]:
        """The records, some at a time, each with `fields` and name."""
        return self._sorted(self.order_by) if self.order_by else self._by_name()

    def _by_name(self) -> Iterator[list[Mapping[str, Any]]]:
        """Batches by name. Each starts after the last name of the one before, since an OFFSET would read all rows."""
        behind: list[list[Any]] = []
        left = self.limit or sys.maxsize
        while left and (rows := self._read(behind, min(left, BATCH))):
            yield rows
            behind = [[self.doctype, "name", ">", rows[-1]["name"]]]
            left -= len(rows)

    def _sorted(self, order_by: str) -> Iterator[list[Mapping[str, Any]]]:
        """Batches by `order_by`: first all names in their order, then the records of some names at a time."""
        order = f"{order_by}, `tab{self.doctype}`.name asc"
        most = self.limit or MAX_SORTED_ROWS + 1
        found = frappe.get_list(self.doctype, filters=self._filters(), pluck="name", order_by=order, limit=most)
        if len(found) > MAX_SORTED_ROWS:
            text = _("At most {0} records can be sorted. Leave out order_by, or set a limit.")
            raise PermanentError(text.format(f"{MAX_SORTED_ROWS:,}"))
        for names in create_batch(found, BATCH):
            rows = {row["name"]: row for row in self._read([[self.doctype, "name", "in", names]], len(names))}
            yield [rows[name] for name in names if name in rows]

    def _read(self, more: list[list[Any]], limit: int) -> list[Mapping[str, Any]]:
        columns = list(dict.fromkeys([*self.fields, "name"]))
        order = f"`tab{self.doctype}`.name asc"
        filters = self._filters() + more
        return frappe.get_list(self.doctype, fields=columns, filters=filters, order_by=order, limit=limit)

    def _filters(self) -> list[list[Any]]:
        return [list(condition) for condition in self.filters]  # copies, since Frappe may change its arguments


def _conditions(doctype: str, given: dict[str, Any] | list[Any] | None) -> list[list[Any]]:
    """Filters as conditions [doctype, field, operator, value]."""
    if isinstance(given, dict):
        given = [[name, *(value if isinstance(value, list) else ["=", value])] for name, value in given.items()]
    found = []
    for item in given or []:
        parts = item if isinstance(item, list) else []
        parts = parts[1:4] if len(parts) > 3 and parts[0] == doctype else parts
        if len(parts) != 3:
            text = _("Each filter must be [field, operator, value] with a field of {0} itself.")
            raise PermanentError(text.format(_(doctype)))
        found.append([doctype, *parts])
    return found


def _log_access(records: Records, file_format: str) -> None:
    """Write the row of Frappe's `make_access_log`. That function commits, which would end the handler's transaction."""
    entry = {
        "doctype": "Access Log",
        "user": frappe.session.user,
        "export_from": records.doctype,
        "file_type": file_format.upper(),
        "filters": frappe.as_json(records.filters),
        "columns": frappe.as_json(records.fields),
    }
    frappe.get_doc(entry).db_insert()


# Files ---------------------------------------------------------------------------------------------------------------


@contextmanager
def csv_rows(target: IO[bytes], _title: str) -> Iterator[Callable[[Sequence[Any]], Any]]:
    """A function that writes a row of CSV as in RFC 4180. UTF-8 with the byte order mark that Excel needs."""
    text = io.TextIOWrapper(target, encoding="utf-8-sig", newline="")
    rows = csv.writer(text, lineterminator="\r\n")
    try:
        yield lambda values: rows.writerow([csv_cell(value) for value in values])
    finally:
        text.detach()  # writes what is left; the target stays open


@contextmanager
def xlsx_rows(target: IO[bytes], title: str) -> Iterator[Callable[[Sequence[Any]], Any]]:
    """A function that writes a row of XLSX, to its one sheet. Numbers and dates stay numbers and dates."""
    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(re.sub(r"[\[\]:*?/\\]", " ", title)[:31])
    try:
        yield lambda values: sheet.append([xlsx_cell(value) for value in values])
        workbook.save(target)
    finally:  # openpyxl removes its temporary file when the interpreter exits, which a forked worker never does
        writer = sheet._writer
        if writer and not sheet.closed:
            sheet.close()
        if writer and os.path.exists(writer.out):
            writer.cleanup()


FORMATS = {"csv": csv_rows, "xlsx": xlsx_rows}


def csv_cell(value: Any) -> Any:
    """A value for CSV: dates in ISO 8601, unchanged numbers, and no text that a spreadsheet would run."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):  # a time of day
        return str(value).zfill(8)
    if value is None or isinstance(value, int | float | Decimal):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def xlsx_cell(value: Any) -> Any:
    """A value for openpyxl, which cuts text to the 32,767 characters that a cell holds."""
    if isinstance(value, date) and value.year >= XLSX_FIRST_YEAR:
        return value
    cell = csv_cell(value)
    return ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell
