"""Export of a DocType's records to a CSV or XLSX file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Annotated, Any, Literal

import frappe
from frappe import _
from frappe.utils import get_files_path

from dartwing_core.jobs import JobContext, PermanentError, job_handler
from dartwing_core.jobs.lib.texts import cut

from . import export_parameters, record_files
from .record_query import RecordQuery


@dataclass
class ExportParameters:
    """The parameters of export_records; see there."""

    doctype: Annotated[str, "DocType to export"]
    file_format: Literal["csv", "xlsx"] = "csv"
    filters: Annotated[dict[str, Any] | list[Any] | None, "As for frappe.get_list"] = None
    fields: Annotated[list[str] | None, "Field names; by default those of the form"] = None
    order_by: Annotated[str | None, "A field name, followed by asc or desc"] = None
    limit: Annotated[int | None, "Largest number of records"] = None


PARAMETERS = frozenset(ExportParameters.__dataclass_fields__)


@job_handler(
    "export_records",
    parameters=ExportParameters,
    description="Writes the records of a DocType that the owner may read to a CSV or XLSX file.",
    results_visible_to="Owner Only",
    timeout=3_600,
    priority="Low",
    max_retries=3,
    deduplication_window=60,
)
def export_records(context: JobContext) -> dict[str, Any]:
    """Writes the records that the job's owner may read and export to a private file of the job.

    Parameters:

    - `doctype`: any DocType with a list; not a child table, single or virtual one.
    - `filters`: an object or a list as for `frappe.get_list`, on fields of the DocType itself that the owner may read.
    - `fields`: field names. By default the name and every visible field of the form that the owner may read. Password
      fields are never exported.
    - `file_format`: "csv" (default; UTF-8 with byte order mark, ISO 8601 dates) or "xlsx".
    - `order_by`: a field name with asc or desc, for up to 200,000 records. By default records come by name.
    - `limit`: the largest number of records.

    The owner needs the permissions read and export on the DocType, as for Frappe's own list export. The export is
    logged like that one (Access Log). With a role that may export "if owner", the owner exports only their own records.
    Rows obey the rules of lists: roles, user permissions, shares, query conditions. If the DocType has a
    `has_permission` hook, each document is loaded and checked, which makes the export several times slower.

    Text that a spreadsheet would take for a formula gets an apostrophe before it. Rows are read and written in
    batches. So the memory does not grow with their number, except with `order_by`, which holds all names.

    Returns `output_reference` (the file's address), `rows`, `doctype` and `file_name`. Raises PermanentError for wrong
    parameters, JobCanceledError when the job is canceled.
    """
    file_format, query = _read_parameters(context.parameters)
    total = query.count()
    _check_size(file_format, total)
    # A file without a name vanishes with its process, even after a kill.
    with tempfile.TemporaryFile(dir=get_files_path(is_private=True)) as content:
        rows = _write(context, query, total, record_files.FORMATS[file_format], content)
        _log_access(query, file_format)
        title = re.sub(r"[^A-Za-z0-9]+", "-", query.doctype).strip("-")
        file = context.attach(content, f"{title}-{context.job_id}-{context.attempt}.{file_format}")
    return {
        "output_reference": file.file_url,
        "rows": rows,
        "doctype": query.doctype,
        "file_name": file.name,
    }


def _read_parameters(parameters: Mapping[str, Any]) -> tuple[str, RecordQuery]:
    if unknown := set(parameters) - PARAMETERS:
        raise PermanentError(_("Unknown parameter: {0}.").format(cut(", ".join(sorted(unknown)))))
    file_format = parameters.get("file_format") or "csv"
    if file_format not in record_files.FORMATS:
        raise PermanentError(_("file_format must be one of: {0}.").format(", ".join(record_files.FORMATS)))
    return file_format, export_parameters.read(parameters)


def _check_size(file_format: str, total: int) -> None:
    if file_format == "xlsx" and total >= record_files.XLSX_ROWS:
        raise PermanentError(
            _("An XLSX sheet holds {0} rows; these are {1}. Use csv, filters or a limit.").format(
                f"{record_files.XLSX_ROWS:,}", f"{total:,}"
            )
        )


def _write(context: JobContext, query: RecordQuery, total: int, file_class: type, content: IO[bytes]) -> int:
    """Write titles and records. Returns the number of records."""
    written = read = 0
    target = file_class(content, query.doctype)
    try:
        target.write(query.labels())
        for batch in query.batches():
            rows = query.readable(batch)
            for row in rows:
                target.write(row.get(name) for name in query.fields)
            written, read = written + len(rows), read + len(batch)
            _report(context, read, total)
        target.close()
    except BaseException:
        target.discard()
        raise
    return written


def _report(context: JobContext, read: int, total: int) -> None:
    message = _("{0} of {1} rows").format(f"{read:,}", f"{max(read, total):,}")
    context.update_progress(99 * read / max(read, total, 1), message)


def _log_access(query: RecordQuery, file_format: str) -> None:
    """Write the row of Frappe's `make_access_log`. That function commits, which would end the handler's transaction."""
    entry = {
        "doctype": "Access Log",
        "user": frappe.session.user,
        "export_from": query.doctype,
        "file_type": file_format.upper(),
        "filters": frappe.as_json(query.filters),
        "columns": frappe.as_json(query.fields),
    }
    frappe.get_doc(entry).db_insert()
