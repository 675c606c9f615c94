"""Files that Frappe has made come out without formulas, and otherwise as they were."""

from __future__ import annotations

import csv
import io
from datetime import datetime

import openpyxl
import pytest
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from dartwing_core.handlers import record_files

FORMULAS = ("=1+1", "=cmd|'/c calc'!A0 & <x>", "+1+1", "-cmd", "@SUM(A1)", "\t=1", "＝1")
PLAIN = ("Sr", 'a "quoted" text', "two\n=lines; and, more", "", "'=1", "a=b", "-1", "-2.5", "+49,5")


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_of_frappes_holds_no_formula(quoting, delimiter):
    # Frappe lets the user choose how it quotes and separates.
    def written(rows) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)
        return text.getvalue().encode()

    rows = [[1, -2.5, None, *FORMULAS], [*PLAIN, "end"]]
    neutral = [[1, -2.5, None, *(f"'{text}" for text in FORMULAS)], [*PLAIN, "end"]]
    read = list(csv.reader(io.StringIO(record_files.neutral_csv(written(rows), delimiter).decode(), newline=""),
                           delimiter=delimiter))  # fmt: skip
    assert read == [["1", "-2.5", "", *neutral[0][3:]], neutral[1]]
    untouched = written([PLAIN, [1, -2, 3.5]])
    assert record_files.neutral_csv(untouched, delimiter) == untouched


def test_xlsx_of_frappes_holds_no_formula_and_keeps_its_looks():
    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet("x")
    sheet.column_dimensions["A"].width = 30
    for text in (*FORMULAS, *PLAIN):
        cell = WriteOnlyCell(sheet, value=text)
        cell.font = Font(bold=True)
        sheet.append([cell, -1.5, datetime(2026, 1, 2)])
    file = io.BytesIO()
    workbook.save(file)
    assert any(row[0].data_type == "f" for row in openpyxl.load_workbook(file).active), "Frappe's are formulas"
    found = openpyxl.load_workbook(io.BytesIO(record_files.neutral_xlsx(file.getvalue()))).active
    rows = list(found.iter_rows())
    assert [row[0].value or "" for row in rows] == [*FORMULAS, *PLAIN]
    assert {row[0].data_type for row in rows if row[0].value} == {"s"}
    assert {(row[1].value, row[2].value, row[0].font.b) for row in rows} == {(-1.5, datetime(2026, 1, 2), True)}
    assert found.column_dimensions["A"].width == 30
