"""Rows of an export hold the visible fields, as CSV and XLSX write them, and no formulas."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime

import frappe
import openpyxl
import pytest

from tests.support import factory, records
from tests.support.exports import Context, content_of, export, exported, path_of
from tests.support.records import RECORD

pytestmark = pytest.mark.usefixtures("record_doctypes")

FULL = {
    "name": "R1",
    "title": 'Zoë, "the" 日本 🚀',
    "organization": factory.ALPHA,
    "amount": -12.5,
    "quantity": -3,
    "due": "2026-02-28",
    "happened_at": "2026-02-28 23:59:58.000007",
    "starts": "09:05:00",
    "body": "two\nlines; and\ttabs",
    "internal": "hidden",
    "salary": 9000,
}
TITLES = ["ID", "Title", "Organization", "Amount", "Quantity", "Due", "Happened At", "Starts", "Body"]


def test_csv_holds_the_visible_fields_with_iso_dates_and_plain_numbers(alice):
    records.add(RECORD, FULL, {"name": "R2"})
    rows = export(as_user=alice)
    assert rows[0] == TITLES, "no hidden field, no Password, none of a higher permission level"
    assert rows[1] == [
        "R1",
        'Zoë, "the" 日本 🚀',
        factory.ALPHA,
        "-12.5",
        "-3",
        "2026-02-28",
        "2026-02-28 23:59:58.000007",
        "09:05:00",
        "two\nlines; and\ttabs",
    ]
    assert rows[2] == ["R2", "", "", rows[2][3], rows[2][4], "", "", "", ""]


def test_csv_begins_with_a_byte_order_mark_and_ends_lines_with_crlf(alice):
    records.add(RECORD, {"name": "R1", "title": "Zoë"})
    frappe.set_user(alice)
    content = content_of(exported(Context({"doctype": RECORD, "fields": ["name", "title"]})))
    assert content == b"\xef\xbb\xbfID,Title\r\nR1,Zo\xc3\xab\r\n"


def test_xlsx_holds_numbers_and_dates_as_such(alice):
    records.add(RECORD, FULL, {"name": "R2", "due": "1666-09-02", "body": "x" * 40_000, "title": "bell \x07"})
    frappe.set_user(alice)
    result = exported(Context({"doctype": RECORD, "file_format": "xlsx"}))
    assert result["output_reference"].endswith(f"&name={result['file_name']}")
    assert re.fullmatch(r"Test-Export-Record-JOB-TEST-1\.xlsx", result["file_name"])
    sheet = openpyxl.load_workbook(path_of(result), read_only=False).active
    assert sheet.title == RECORD
    titles, first, second = sheet.iter_rows(values_only=True)
    assert list(titles) == TITLES
    assert first == (
        "R1",
        'Zoë, "the" 日本 🚀',
        factory.ALPHA,
        -12.5,
        -3,
        datetime(2026, 2, 28),
        first[6],
        "09:05:00",
        "two\nlines; and\ttabs",
    )
    assert abs(first[6] - datetime(2026, 2, 28, 23, 59, 58)).total_seconds() < 0.01
    assert second[5] == date(1666, 9, 2).isoformat(), "before Excel's first year"
    assert second[1] == "bell "
    assert len(second[8]) == 32_767


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_text_like_a_formula_is_made_harmless(file_format, text):
    records.add(RECORD, {"name": "R1", "title": text, "quantity": -1})
    result = exported(Context({"doctype": RECORD, "fields": ["title", "quantity"], "file_format": file_format}))
    if file_format == "csv":
        _titles, row = csv.reader(io.StringIO(content_of(result).decode("utf-8-sig"), newline=""))
        assert row == [f"'{text}", "-1"]
    else:
        cells = list(openpyxl.load_workbook(path_of(result)).active.iter_rows())[1]
        assert cells[0].data_type in ("s", "inlineStr")
        assert cells[0].value == f"'{text}"
        assert cells[1].value == -1
