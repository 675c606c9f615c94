"""Writes rows of database values to a CSV or XLSX file, one at a time and in constant memory."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
XLSX_ROWS = 1_048_576
XLSX_FIRST_YEAR = 1900


class CsvFile:
    """CSV as in RFC 4180: commas, CRLF, quotes where needed. In UTF-8 with the byte order mark that Excel needs."""

    def __init__(self, target: IO[bytes], _title: str):
        self._text = io.TextIOWrapper(target, encoding="utf-8-sig", newline="")
        self._rows = csv.writer(self._text, lineterminator="\r\n")

    def write(self, values: Sequence[Any]) -> None:
        """Add a row."""
        self._rows.writerow([csv_cell(value) for value in values])

    def complete(self) -> None:
        """Write what is left."""
        self._text.flush()

    def close(self) -> None:
        """Leave the target, which stays open."""
        self._text.detach()


class XlsxFile:
    """XLSX with one sheet. Numbers and dates stay numbers and dates."""

    def __init__(self, target: IO[bytes], title: str):
        self._target = target
        self._workbook = Workbook(write_only=True)
        self._sheet = self._workbook.create_sheet(re.sub(r"[\[\]:*?/\\]", " ", title)[:31])

    def write(self, values: Sequence[Any]) -> None:
        """Add a row."""
        self._sheet.append([xlsx_cell(value) for value in values])

    def complete(self) -> None:
        """Write the file."""
        self._workbook.save(self._target)

    def close(self) -> None:
        """Remove openpyxl's temporary file, if the sheet was not completed.

        It would do so when the interpreter exits, which a forked worker never does.
        """
        writer = self._sheet._writer
        if writer and not self._sheet.closed:
            self._sheet.close()
        if writer and os.path.exists(writer.out):
            writer.cleanup()


FORMATS: dict[str, type[CsvFile | XlsxFile]] = {"csv": CsvFile, "xlsx": XlsxFile}


def csv_cell(value: Any) -> Any:
    """A value for CSV: dates in ISO 8601, unchanged numbers, and no text that a spreadsheet would run."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):  # a time of day
        return str(value).zfill(8)
    return value if value is None or isinstance(value, int | float | Decimal) else neutral(str(value))


def xlsx_cell(value: Any) -> Any:
    """A value for openpyxl, which cuts text to the 32,767 characters that a cell holds."""
    if isinstance(value, date) and value.year >= XLSX_FIRST_YEAR:
        return value
    cell = csv_cell(value)
    return ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell


def neutral(text: str) -> str:
    """The text, with an apostrophe in front if it begins like a formula. So no spreadsheet runs it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
