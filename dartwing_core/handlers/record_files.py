"""Writes rows of database values to a CSV or XLSX file, one at a time and in constant memory."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import IO, Any, Protocol

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
XLSX_ROWS = 1_048_576
XLSX_FIRST_YEAR = 1900


class RecordFile(Protocol):
    """A file that is being written. `close` completes it; `discard` gives it up."""

    def write(self, values: Iterable[Any]) -> None:
        """Add a row."""

    def close(self) -> None:
        """Complete the file. Its target stays open."""

    def discard(self) -> None:
        """Give the file up, and free what it holds."""


class CsvFile:
    """CSV as in RFC 4180: commas, CRLF, quotes where needed. In UTF-8 with the byte order mark that Excel needs."""

    def __init__(self, target: IO[bytes], _title: str):
        self._text = io.TextIOWrapper(target, encoding="utf-8-sig", newline="")
        self._rows = csv.writer(self._text, lineterminator="\r\n")

    def write(self, values: Iterable[Any]) -> None:
        """Add a row."""
        self._rows.writerow([csv_cell(value) for value in values])

    def close(self) -> None:
        """Complete the file. Its target stays open."""
        self._text.flush()
        self._text.detach()

    def discard(self) -> None:
        """Give the file up, and free what it holds."""
        with contextlib.suppress(OSError, ValueError):
            self._text.detach()


class XlsxFile:
    """XLSX with one sheet. Numbers and dates stay numbers and dates."""

    def __init__(self, target: IO[bytes], title: str):
        self._target = target
        self._workbook = Workbook(write_only=True)
        self._sheet = self._workbook.create_sheet(re.sub(r"[\[\]:*?/\\]", " ", title)[:31])

    def write(self, values: Iterable[Any]) -> None:
        """Add a row."""
        self._sheet.append([xlsx_cell(value) for value in values])

    def close(self) -> None:
        """Complete the file. Its target stays open."""
        self._workbook.save(self._target)

    def discard(self) -> None:
        """Give the file up, and free what it holds."""
        # openpyxl would remove its temporary file when the interpreter exits, which a forked worker never does.
        writer = self._sheet._writer
        if writer is None:
            return
        if not self._sheet.closed:
            self._sheet.close()
        if os.path.exists(writer.out):
            writer.cleanup()


FORMATS: dict[str, type[RecordFile]] = {"csv": CsvFile, "xlsx": XlsxFile}


def csv_cell(value: Any) -> Any:
    """A value for CSV: dates in ISO 8601, unchanged numbers, and no text that a spreadsheet would run."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else _cell(value)


def xlsx_cell(value: Any) -> Any:
    """A value for openpyxl, which cuts text to the 32,767 characters that a cell holds."""
    if isinstance(value, date):
        return value if value.year >= XLSX_FIRST_YEAR else csv_cell(value)
    cell = _cell(value)
    return ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, timedelta):
        return _time_of_day(value)
    if hasattr(value, "as_tuple"):  # Decimal
        return value
    return neutral(str(value))


def _time_of_day(value: timedelta) -> str:
    hours, rest = divmod(abs(value), timedelta(hours=1))
    sign = "-" if value < timedelta() else ""
    return f"{sign}{hours:02}{(datetime.min + rest).time().isoformat()[2:]}"


def neutral(text: str) -> str:
    """The text, with an apostrophe in front if it begins like a formula. So no spreadsheet runs it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
