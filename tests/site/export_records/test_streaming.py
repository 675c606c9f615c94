"""Thousands of rows are streamed with progress; a cancel or a full sheet stops early."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

import pytest

from dartwing_core.handlers import export_records
from dartwing_core.jobs import JobCanceledError, PermanentError
from tests.support import records
from tests.support.exports import Context, exported
from tests.support.records import RECORD

pytestmark = pytest.mark.usefixtures("record_doctypes")


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_thousands_of_wide_rows_are_streamed_with_progress(file_format):
    size = 5_000
    records.add(RECORD, *({"name": f"R{n:05}", "body": "x" * size} for n in range(3_000)))
    context = Context({"doctype": RECORD, "fields": ["name", "body"], "file_format": file_format})
    tracemalloc.start()
    try:
        result = exported(context)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result["rows"] == 3_000
    assert context.messages[-1] == "3,000 of 3,000 rows"
    assert len(context.messages) > 10
    assert 98 < context.progress.percent <= 99
    assert peak < 8_000_000, "of 15 MB of text only a part is ever in memory"


def temporary_files() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("openpyxl.*")}


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_a_cancel_in_the_middle_stops_and_leaves_nothing(file_format):
    records.add(RECORD, *({"name": f"R{n:03}"} for n in range(300)))
    before = temporary_files()
    context = Context({"doctype": RECORD, "file_format": file_format}, cancel_after=1)
    with pytest.raises(JobCanceledError):
        exported(context)
    assert context.messages == ["250 of 300 rows"]
    assert records.export_files() == []
    assert temporary_files() <= before


def test_a_full_sheet_is_refused_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(export_records, "XLSX_ROWS", 2)
    records.add(RECORD, {"name": "A"}, {"name": "B"})
    with pytest.raises(PermanentError, match="An XLSX sheet holds 2 rows"):
        exported(Context({"doctype": RECORD, "file_format": "xlsx"}))
    assert exported(Context({"doctype": RECORD, "file_format": "xlsx", "limit": 1}))["rows"] == 1
