"""Seals what jobs are about before it is stored, and opens it: the only module that does (invariant I12).

A sealed field lies in the column `sealed_<field>`. The engine, and code without a request, reads all of it. In a web
request, documents open only what `visibility` lets the session's user see. Of an error the first line stays readable,
so that lists can show and group it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import frappe
from frappe import _

from ..lib import config, sealing
from ..lib.rows import Columns, Row
from ..status import JobStatus
from . import visibility

if TYPE_CHECKING:
    from frappe.model.document import Document

PREFIX = "sealed_"
NEEDED = frozenset({"input_parameters", "result", "output_reference", "state", "files"})
"""Nothing can be written without them. The others are left out if the site's key is gone, so that jobs still end."""
SEALED = NEEDED | {"log_lines", "traceback", "cancel_reason", "last_error"}
JSON = frozenset({"input_parameters", "result", "state"})
ERROR = "error_message"
COLUMNS = frozenset(PREFIX + field for field in (*SEALED, ERROR))
"""The columns in which sealed fields lie."""
KEPT = "sealed"
JOB = "dartwing_job"
"""In the flags of a document: its sealed columns; of an attempt, what decides who may see its job."""
TRACEBACK_LEVEL = 1
LINE_LENGTH = 140
"""Characters of an error that stay readable."""


def column(field: str) -> str:
    """The column in which a field lies."""
    return PREFIX + field if field in SEALED else field


def columns(fields: Iterable[str]) -> list[str]:
    """The columns in which these fields lie, for a SELECT. An error lies in two."""
    found = [column(field) for field in fields]
    return [*found, PREFIX + ERROR] if ERROR in found else found


def sealed(values: Columns) -> Columns:
    """Values as they are stored. Raises SealError for those that are needed, if the site's key is gone."""
    stored: Columns = {}
    for field, value in values.items():
        if field == ERROR:
            line = first_line(value)
            stored |= {ERROR: line, PREFIX + ERROR: _sealed(field, value) if value != line else None}
        else:
            where = column(field)
            stored[where] = value if where == field else _sealed(field, value)
    return stored


def _sealed(field: str, text: str | None) -> str | None:
    try:
        return sealing.seal(text) if text is not None else None
    except sealing.SealError:
        if field in NEEDED:
            raise
        return None


def parameters_of(job: Mapping[str, Any]) -> str | None:
    """The parameters of a stored job as JSON. Raises SealError."""
    return opened({"sealed_input_parameters": job[column("input_parameters")]})["input_parameters"]


def log_sealer() -> Callable[[str | None], str | None]:
    """Seals log lines in threads without a site. They are left out if the site's key is gone."""
    try:
        cipher = sealing.cipher()
    except sealing.SealError:
        return lambda _lines: None
    return lambda lines: cipher.encrypt(lines.encode()).decode() if lines else None


def first_line(text: str | None) -> str | None:
    """The first line of an error, at most LINE_LENGTH characters, as lists and histories show it."""
    if not text:
        return text
    line = text.strip().partition("\n")[0].rstrip()
    return line if len(line) <= LINE_LENGTH else f"{line[: LINE_LENGTH - 1]}…"


def opened(row: Row) -> Row:
    """A row with its sealed columns opened, under the names of the fields. For the engine. Raises SealError."""
    return _opened(row, lambda _field, token: sealing.opened(token))


def shown(row: Row) -> Row:
    """`opened` for people, of a row without what they may not see. A field that can't be opened says why."""
    return _opened(row, _told)


def _opened(row: Row, open_token: Callable[[str, str], str | None]) -> Row:
    found = frappe._dict()
    for name, value in row.items():
        field = name.removeprefix(PREFIX)
        if field == name:
            found.setdefault(name, value)
        elif value is not None:
            found[field] = open_token(field, value) if sealing.is_sealed(value) else value
        elif field != ERROR:  # one line lies in its own column
            found[field] = None
    return cast(Row, found)


def _told(field: str, token: str) -> str | None:
    try:
        return sealing.opened(token)
    except sealing.SealError as error:
        if field in JSON:
            return frappe.as_json({"not_readable": str(error)}, indent=None)
        return None if field == "log_lines" else str(error)


# Schedules -----------------------------------------------------------------------------------------------------------


def sealed_schedule(name: str, parameters: str | None) -> str | None:
    """The parameters of a schedule as stored. Sealed ones stay. They name their schedule: see `opened_schedule`."""
    return sealing.seal(f"{name}\n{parameters}") if parameters and not sealing.is_sealed(parameters) else parameters


def opened_schedule(name: str, parameters: str | None) -> str | None:
    """The parameters of a schedule, sealed or not. Raises SealError.

    People write this column. So a token that was sealed for anything else is not opened.
    """
    if not sealing.is_sealed(parameters):
        return parameters
    of, _line, text = sealing.opened(str(parameters)).partition("\n")
    if of != name:
        raise sealing.SealError(_("{0} is not valid JSON.").format(_("Parameters")))
    return text


# Documents -----------------------------------------------------------------------------------------------------------


def keep(document: Document, columns: Mapping[str, Any]) -> None:
    """Keep the sealed ones of these columns beside a document, where no request can send any."""
    document.flags[KEPT] = {name: columns[name] for name in COLUMNS & columns.keys() if columns[name]}


def of_document(document: Document, field: str) -> str | None:
    """A sealed field of a document, if the session's user may see it. The engine's and the site's own code always may.

    A background job of Frappe's, such as a print, works for a user as a request does.
    """
    written = document.__dict__.get(field)  # by code that has made the document, or escaped its texts for a print
    token = document.flags.get(KEPT, {}).get(column(field))
    if written is not None or token is None:
        return written
    is_asked = getattr(frappe.local, "request", None) or getattr(frappe.local, "job", None)
    return None if is_asked and not _may_see(document, field) else _told(field, token)


def may_see_tracebacks() -> bool:
    """Whether the user has a role that reads the administrators' fields of attempts."""
    return TRACEBACK_LEVEL in frappe.get_meta(config.RUN).get_permlevel_access("read")


def _may_see(document: Document, field: str) -> bool:
    viewer = visibility.viewer()
    if viewer.sees_everything:
        return True
    doctype, job = document.doctype, cast(Any, document)
    if doctype == config.RUN:
        doctype = config.JOB
        job = document.flags[JOB] = document.flags.get(JOB) or visibility.deciding_row(document.background_job)
    if not visibility.may_see(doctype, job, viewer) or field == "state":
        return False
    if field == "traceback":
        return may_see_tracebacks()
    is_of_result = field in visibility.RESULTS or (field == "log_lines" and job["status"] == JobStatus.COMPLETED)
    return not is_of_result or viewer.can_see_result(job)
