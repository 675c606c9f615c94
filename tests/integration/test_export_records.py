"""export_records writes what its owner may read, all of it and nothing else, and leaves a file only if it succeeds."""

from __future__ import annotations

import csv
import io
import re
import resource
import tempfile
import tracemalloc
from datetime import date, datetime
from pathlib import Path

import frappe
import openpyxl
import pytest
from frappe.core.doctype.file.utils import find_file_by_url

from dartwing_core.handlers import job_files, record_files, record_query
from dartwing_core.handlers.export_records import export_records
from dartwing_core.jobs import JobCanceledError, JobContext, PermanentError
from dartwing_core.jobs.access import result_files
from tests.support import database, factory, records
from tests.support.jobs import run, submitted_by
from tests.support.records import OWN, RECORD

HANDLER = "dartwing_core.handlers.export_records.export_records"
FULL_DISK = 4 * 1024 * 1024
"""Bytes that a file may have in the test of a full disk; more than the logs of the site."""


pytestmark = pytest.mark.usefixtures("record_doctypes")


class Context(JobContext):
    """A context without a job, which remembers the messages and can be canceled after some of them."""

    def __init__(
        self, parameters: dict, *, job_id: str = "JOB-TEST", attempt: int = 1, cancel_after: int | None = None
    ):
        super().__init__(
            job_id=job_id,
            job_type="test_export",
            organization=factory.ALPHA,
            parameters=parameters,
            timeout_seconds=300,
            attempt=attempt,
            owner_user=frappe.session.user,
        )
        self.messages: list[str] = []
        self.cancel_after = cancel_after

    def update_progress(self, percent, message=None, force=False):
        super().update_progress(percent, message, force)
        self.messages.append(message)
        if len(self.messages) == self.cancel_after:
            self.cancel_requested.set()


def export(doctype: str = RECORD, *, as_user: str | None = None, **parameters) -> list[list[str]]:
    """Title and rows of a CSV export, in a transaction that is left open."""
    if as_user:
        frappe.set_user(as_user)
    result = export_records(Context({"doctype": doctype, **parameters}))
    frappe.set_user("Administrator")
    rows = list(csv.reader(io.StringIO(content_of(result).decode("utf-8-sig"), newline="")))
    assert result["rows"] == len(rows) - 1
    return rows


def names(rows: list[list[str]]) -> list[str]:
    return [row[0] for row in rows[1:]]


def path_of(result: dict) -> Path:
    return records.files_folder() / result["output_reference"].rpartition("/")[2]


def content_of(result: dict) -> bytes:
    return path_of(result).read_bytes()


def submitted(doctype: str = RECORD, *, user: str, **parameters):
    job_type = "test_export" if frappe.db.exists("Job Type", "test_export") else factory.job_type("export", HANDLER)
    return submitted_by(user, job_type, doctype=doctype, **parameters)


# Content ----------------------------------------------------------------------------------------------------------

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
    content = content_of(export_records(Context({"doctype": RECORD, "fields": ["name", "title"]})))
    assert content == b"\xef\xbb\xbfID,Title\r\nR1,Zo\xc3\xab\r\n"


def test_xlsx_holds_numbers_and_dates_as_such(alice):
    records.add(RECORD, FULL, {"name": "R2", "due": "1666-09-02", "body": "x" * 40_000, "title": "bell \x07"})
    frappe.set_user(alice)
    result = export_records(Context({"doctype": RECORD, "file_format": "xlsx"}))
    assert result["output_reference"] == f"/private/files/{result['file_name']}"
    assert re.fullmatch(r"Test-Export-Record-JOB-TEST-1-[0-9a-f]{32}\.xlsx", result["file_name"])
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
    result = export_records(Context({"doctype": RECORD, "fields": ["title", "quantity"], "file_format": file_format}))
    if file_format == "csv":
        _titles, row = csv.reader(io.StringIO(content_of(result).decode("utf-8-sig"), newline=""))
        assert row == [f"'{text}", "-1"]
    else:
        cells = list(openpyxl.load_workbook(path_of(result)).active.iter_rows())[1]
        assert cells[0].data_type in ("s", "inlineStr")
        assert cells[0].value == f"'{text}"
        assert cells[1].value == -1


# What is asked for --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (None, ["A", "B", "C"]),
        ({"quantity": 2}, ["B"]),
        ({"quantity": [">=", 2], "title": ["like", "t%"]}, ["B", "C"]),
        ([["quantity", "in", [1, 3]]], ["A", "C"]),
        ([[RECORD, "quantity", "between", [1, 2], False]], ["A", "B"]),
        ({"due": ["between", ["2026-01-02", "2026-01-03"]]}, ["B"]),
        ({"due": ["timespan", "last year"]}, []),
        ({"creation": ["<", "2026-01-02"]}, []),
        ({"starts": [">=", "09:00"]}, ["C"]),
        ({"due": None}, ["A", "C"]),
        ({"body": None}, ["A", "C"]),
        ({"body": ["!=", None]}, ["B"]),
        ({"body": ["is", "set"]}, ["B"]),
        ({"name": ["!=", "A"]}, ["B", "C"]),
    ],
)
def test_filters_select_the_rows(filters, expected):
    records.add(
        RECORD,
        {"name": "A", "title": "ta", "quantity": 1},
        {"name": "B", "title": "tb", "quantity": 2, "body": "x", "due": "2026-01-02"},
        {"name": "C", "title": "tc", "quantity": 3, "starts": "09:30:00"},
    )
    assert names(export(filters=filters)) == expected


def test_rows_come_by_name_or_in_the_order_asked_for_up_to_the_limit(monkeypatch):
    monkeypatch.setattr(record_query, "FIRST_BATCH", 2)
    records.add(RECORD, *({"name": name, "quantity": n} for name, n in zip("cabed", (1, 2, 1, 1, 0), strict=True)))
    assert names(export()) == list("abcde")
    assert names(export(limit=3)) == list("abc")
    assert names(export(order_by="quantity desc")) == list("abced")
    assert names(export(order_by="quantity", limit=4)) == list("dbce")


def test_rows_that_are_equal_in_the_order_asked_for_come_by_name():
    records.add(RECORD, *({"name": f"R{n:03}"} for n in range(300)))
    assert names(export(order_by="modified desc", limit=3)) == ["R000", "R001", "R002"]


def test_more_names_than_can_be_sorted_are_refused(monkeypatch):
    monkeypatch.setattr(record_query, "MAX_SORTED_ROWS", 2)
    records.add(RECORD, {"name": "A"}, {"name": "B"}, {"name": "C"})
    with pytest.raises(PermanentError, match="At most 2 records"):
        export(order_by="title asc")
    assert len(export(order_by="title asc", limit=2)) == 3


def test_each_row_comes_once_whatever_its_name(monkeypatch):
    monkeypatch.setattr(record_query, "FIRST_BATCH", 1)
    given = ["a", "B", "Zürich", "ß", "it's", '"q"', "100%", "%s", "back\\slash", "日本", "a b", "0", "`tick`"]
    records.add(RECORD, *({"name": name} for name in given))
    assert sorted(names(export())) == sorted(given)
    assert sorted(names(export(order_by="title desc"))) == sorted(given)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "doctype is missing"),
        ({"doctype": ["User"]}, "doctype is missing"),
        ({"doctype": "Nothing"}, "Unknown DocType"),
        ({"doctype": "Has Role"}, "child table"),
        ({"doctype": "System Settings"}, "child table"),
        ({"doctype": "Background Job"}, "not allowed to export"),
        ({"doctype": "Error Log"}, "not allowed to read"),
        ({"doctype": RECORD, "filter": {}}, "Unknown parameter: filter"),
        ({"doctype": RECORD, "file_format": "pdf"}, "file_format"),
        ({"doctype": RECORD, "fields": "title"}, "fields must be a list"),
        ({"doctype": RECORD, "fields": []}, "fields must be a list"),
        ({"doctype": RECORD, "fields": ["nothing"]}, "nothing is no field"),
        ({"doctype": RECORD, "fields": ["title, pin"]}, "no field"),
        ({"doctype": RECORD, "fields": ["count(name)"]}, "no field"),
        ({"doctype": RECORD, "fields": ["organization.name"]}, "no field"),
        ({"doctype": RECORD, "fields": [["title"]]}, "no field"),
        ({"doctype": RECORD, "fields": ["section"]}, "section is no field"),
        ({"doctype": RECORD, "fields": ["salary"]}, "salary is no field"),
        ({"doctype": RECORD, "fields": ["pin"]}, "pin is no field"),
        ({"doctype": RECORD, "filters": {"salary": [">", 1]}}, "salary is no field"),
        ({"doctype": RECORD, "filters": [["pin", "is", "set"]]}, "pin is no field"),
        ({"doctype": RECORD, "filters": [["User", "email", "=", "x"]]}, "Each filter"),
        ({"doctype": RECORD, "filters": ["title", "=", "x"]}, "Each filter"),
        ({"doctype": RECORD, "filters": "title = 1"}, "filters must be"),
        ({"doctype": RECORD, "filters": {"title": ["= 1 or", "x"]}}, "Unknown operator"),
        ({"doctype": RECORD, "filters": {"title": ["in", []]}}, "does not go with"),
        ({"doctype": RECORD, "filters": {"title": {"a": 1}}}, "does not go with"),
        ({"doctype": RECORD, "filters": {"title": ["<", None]}}, "does not go with"),
        ({"doctype": RECORD, "filters": {"due": ["between", ["2026-01-01"]]}}, "does not go with"),
        ({"doctype": RECORD, "filters": {"due": ["between", ["a", "b"]]}}, "is not a date or time"),
        ({"doctype": RECORD, "filters": {"happened_at": [">", "nonsense"]}}, "is not a date or time"),
        ({"doctype": RECORD, "filters": {"starts": "nonsense"}}, "is not a date or time"),
        ({"doctype": RECORD, "filters": {"due": ["timespan", "last aeon"]}}, "timespan needs"),
        ({"doctype": RECORD, "filters": {"title": ["timespan", "last month"]}}, "timespan needs"),
        ({"doctype": RECORD, "filters": {"title": ["descendants of", "x"]}}, "nodes of a tree"),
        ({"doctype": RECORD, "filters": {"organization": ["ancestors of", "x"]}}, "nodes of a tree"),
        ({"doctype": RECORD, "order_by": "salary desc"}, "salary is no field"),
        ({"doctype": RECORD, "order_by": "title desc, sleep(1)"}, "order_by must be"),
        ({"doctype": RECORD, "order_by": "sleep(1)"}, "no field"),
        ({"doctype": RECORD, "limit": 0}, "limit must be"),
        ({"doctype": RECORD, "limit": "5"}, "limit must be"),
        ({"doctype": RECORD, "limit": True}, "limit must be"),
    ],
)
def test_wrong_parameters_fail_for_good_and_say_why(alice, parameters, message):
    frappe.set_user(alice)
    with pytest.raises(PermanentError, match=message):
        export_records(Context(parameters))


def test_a_password_field_is_never_exported_not_even_for_administrators():
    with pytest.raises(PermanentError, match="pin is no field"):
        export(fields=["pin"])


def test_a_field_of_a_higher_permission_level_is_exported_for_those_who_may_read_it():
    records.add(RECORD, {"name": "R1", "salary": 9000})
    manager = factory.user("manager", factory.ALPHA, roles=("System Manager",))
    assert export(as_user=manager, fields=["name", "salary"])[1] == ["R1", "9000"]


# Rows that the owner may read ---------------------------------------------------------------------------------------


def test_user_permissions_hold(alice):
    records.add(
        RECORD, {"name": "A", "organization": factory.ALPHA}, {"name": "B", "organization": factory.BETA}, {"name": "C"}
    )
    assert names(export(as_user=alice)) == ["A", "B", "C"]
    permission = {"doctype": "User Permission", "user": alice, "allow": "Organization", "for_value": factory.ALPHA}
    frappe.get_doc(permission).insert()
    assert names(export(as_user=alice)) == ["A", "C"]


def test_a_role_for_own_records_exports_those_only(alice, bob):
    records.add(OWN, {"name": "A", "owner": alice}, {"name": "B", "owner": bob})
    assert names(export(OWN, as_user=alice)) == ["A"]
    assert names(export(OWN, as_user=bob)) == ["B"]
    assert names(export(OWN)) == ["A", "B"]


def test_a_shared_record_can_be_read_but_not_exported_with_a_role_for_own_records(alice, bob):
    records.add(OWN, {"name": "A", "owner": alice}, {"name": "B", "owner": bob})
    frappe.share.add(OWN, "B", alice, read=1)
    frappe.set_user(alice)
    assert sorted(frappe.get_list(OWN, pluck="name")) == ["A", "B"]
    assert names(export(OWN, as_user=alice)) == ["A"]


def test_a_shared_record_is_exported_with_the_others_when_the_role_may_export_all(alice):
    records.add(RECORD, {"name": "A", "organization": factory.ALPHA}, {"name": "B", "organization": factory.BETA})
    permission = {"doctype": "User Permission", "user": alice, "allow": "Organization", "for_value": factory.ALPHA}
    frappe.get_doc(permission).insert()
    frappe.share.add(RECORD, "B", alice, read=1)
    assert names(export(as_user=alice)) == ["A", "B"]


def forbid_b(doc, ptype=None, user=None, debug=False) -> bool:
    return doc.name != "B"


def test_the_hook_has_permission_is_asked_for_each_row(alice, monkeypatch):
    original = frappe.get_hooks

    def with_hook(hook=None, *args, **kwargs):
        found = original(hook, *args, **kwargs)
        return {**found, RECORD: [forbid_b]} if hook == "has_permission" else found

    records.add(RECORD, {"name": "A"}, {"name": "B"}, {"name": "C"})
    assert names(export(as_user=alice)) == ["A", "B", "C"]
    monkeypatch.setattr(frappe, "get_hooks", with_hook)
    assert names(export(as_user=alice)) == ["A", "C"]


def test_without_a_hook_no_document_is_loaded(alice):
    records.add(RECORD, *({"name": f"R{n}"} for n in range(200)))
    frappe.set_user(alice)
    export_records(Context({"doctype": RECORD, "fields": ["name"]}))
    with database.statements() as seen:
        export_records(Context({"doctype": RECORD, "fields": ["name"], "filters": {"name": ["like", "R%"]}}))
    assert len([sql for sql in seen if f"`tab{RECORD}`" in sql]) < 10


# Progress, memory, cancel -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_thousands_of_wide_rows_are_streamed_with_progress(file_format):
    size = 5_000
    records.add(RECORD, *({"name": f"R{n:05}", "body": "x" * size} for n in range(3_000)))
    context = Context({"doctype": RECORD, "fields": ["name", "body"], "file_format": file_format})
    tracemalloc.start()
    try:
        result = export_records(context)
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
        export_records(context)
    assert context.messages == ["20 of 300 rows"]
    assert records.export_files() == []
    assert temporary_files() <= before


def test_a_full_sheet_is_refused_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(record_files, "XLSX_ROWS", 2)
    records.add(RECORD, {"name": "A"}, {"name": "B"})
    with pytest.raises(PermanentError, match="An XLSX sheet holds 2 rows"):
        export_records(Context({"doctype": RECORD, "file_format": "xlsx"}))
    assert export_records(Context({"doctype": RECORD, "file_format": "xlsx", "limit": 1}))["rows"] == 1


# The file -----------------------------------------------------------------------------------------------------------


def test_a_completed_job_has_its_file_and_the_export_is_logged(alice):
    records.add(RECORD, {"name": "A"}, {"name": "B"})
    job = submitted(user=alice)
    status = run(job)
    assert status["status"] == "Completed", status
    file_name = status["result"]["file_name"]
    assert re.fullmatch(rf"Test-Export-Record-{job.name}-1-[0-9a-f]{{32}}\.csv", file_name), "which nobody can guess"
    assert status["result"] == {
        "output_reference": f"/private/files/{file_name}",
        "rows": 2,
        "doctype": RECORD,
        "file_name": file_name,
    }
    assert status["output_reference"] == status["result"]["output_reference"]
    assert records.export_files() == [file_name]
    fields = ["attached_to_doctype", "attached_to_name", "is_private", "file_size", "owner"]
    (file,) = frappe.get_all("File", {"file_url": status["output_reference"]}, fields)
    size = (records.files_folder() / file_name).stat().st_size
    assert file == {
        "attached_to_doctype": "Background Job",
        "attached_to_name": job.name,
        "is_private": 1,
        "file_size": size,
        "owner": "Administrator",
    }
    assert frappe.get_all("Access Log", {"export_from": RECORD}, ["user", "file_type"]) == [
        {"user": alice, "file_type": "CSV"}
    ]


def test_the_file_is_for_those_who_may_see_the_job(alice, bob):
    colleague = factory.user("colleague", factory.ALPHA)
    admin = factory.user("alpha_admin", factory.ALPHA, roles=("Dartwing Admin",), org_role="Admin")
    records.add(RECORD, {"name": "A"})
    url = run(submitted(user=alice))["output_reference"]

    def may_download(user: str) -> bool:
        frappe.set_user(user)
        found = find_file_by_url(url)
        frappe.set_user("Administrator")
        return bool(found)

    assert may_download(alice)
    assert may_download(admin)
    assert not may_download(bob)
    assert not may_download(colleague)
    assert not may_download("Guest")
    frappe.db.set_value("Org Member", {"user": alice, "organization": factory.ALPHA}, "status", "Inactive")
    assert not may_download(alice), "who has left the organization"
    frappe.db.rollback()


def test_lists_of_files_show_those_of_visible_jobs_only(alice, bob):
    records.add(RECORD, {"name": "A"})
    file_name = run(submitted(user=alice))["result"]["file_name"]
    note = {"doctype": "File", "file_name": "test_note.txt", "content": "x", "is_private": 1}
    frappe.set_user(bob)
    other = frappe.get_doc(note).insert()

    def listed(user: str) -> list[str]:
        frappe.set_user(user)
        return frappe.get_list("File", {"file_name": ["in", [file_name, other.file_name]]}, pluck="file_name")

    assert listed(alice) == [file_name]
    assert listed(bob) == [other.file_name]
    frappe.db.rollback()


def test_the_handler_neither_commits_nor_touches_the_job_row(alice):
    records.add(RECORD, {"name": "A"})
    job = submitted(user=alice)
    frappe.db.rollback()
    frappe.set_user(alice)
    result = export_records(Context({"doctype": RECORD}, job_id=job.name))
    assert frappe.db.exists("File", {"file_url": result["output_reference"]})
    assert not database.value("SELECT name FROM tabFile WHERE file_url = %s", result["output_reference"])
    with database.another_connection() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name FROM `tabBackground Job` WHERE name = %s FOR UPDATE NOWAIT", (job.name,))
        assert cursor.fetchone()
    assert not frappe.db.exists("Comment", {"reference_name": job.name})


def test_a_rollback_takes_the_file_away():
    records.add(RECORD, {"name": "A"})
    frappe.db.commit()
    result = export_records(Context({"doctype": RECORD}))
    assert path_of(result).exists()
    frappe.db.rollback()
    assert not path_of(result).exists()
    assert not frappe.db.exists("File", {"file_url": result["output_reference"]})


def test_an_attempt_that_was_overtaken_leaves_no_file(alice, monkeypatch):
    records.add(RECORD, {"name": "A"})
    job = submitted(user=alice)
    attach = job_files.attach

    def overtaken(*arguments):
        document = attach(*arguments)
        with database.another_connection() as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE `tabBackground Job` SET attempt = 2 WHERE name = %s", (job.name,))
        return document

    monkeypatch.setattr(job_files, "attach", overtaken)
    assert run(job)["status"] == "Running"
    assert records.export_files() == []
    assert not frappe.db.exists("File", {"attached_to_name": job.name})


def test_a_failure_to_insert_the_file_leaves_none(monkeypatch):
    def fail(*_arguments):
        raise ConnectionResetError("the database is gone, and the rollback callbacks with it")

    monkeypatch.setattr(job_files, "_insert", fail)
    with pytest.raises(ConnectionResetError):
        export_records(Context({"doctype": RECORD}))
    assert records.export_files() == []


def test_a_full_disk_fails_the_attempt_and_leaves_no_part_of_the_file():
    # Seen failing: without the `unlink` in `result_files.write`. A limit on the size of files stands for the disk.
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    content = io.BytesIO(bytes(FULL_DISK + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_DISK, allowed[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            job_files.attach(Context({}), content, "Test Export Record", "csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
    assert records.export_files() == []
    assert not frappe.db.exists("File", {"attached_to_name": Context({}).job_id})


def test_an_attempt_removes_what_killed_ones_left():
    part = "0" * 32
    kept = [
        f"Test-Export-Record-JOB-TEST-3-{part}.csv",
        f"Test-Export-Record-JOB-TEST-4-{part}.csv",
        "Test-Export-Record-JOB-OTHER-1.csv",
        "Test-Export-JOB-TEST-1",
    ]
    for name in ["Test-Export-Record-JOB-TEST-1.csv", f"Test-Export-Own-JOB-TEST-2-{part}.xlsx", *kept]:
        (records.files_folder() / name).write_text("part")
    result = export_records(Context({"doctype": RECORD}, attempt=3))
    assert records.export_files() == sorted([*kept, result["file_name"]])
    assert content_of(result).startswith(b"\xef\xbb\xbfID,")


def test_no_file_is_written_over(monkeypatch):
    monkeypatch.setattr(result_files.secrets, "token_hex", lambda _size: "0" * 32)
    planted = records.files_folder() / f"Test-Export-Record-JOB-TEST-1-{'0' * 32}.csv"
    planted.write_text("planted")
    with pytest.raises(FileExistsError):
        export_records(Context({"doctype": RECORD}))
    assert planted.read_text() == "planted"


def test_equal_exports_of_two_jobs_are_two_files(alice):
    records.add(RECORD, {"name": "A"})
    urls = [run(submitted(user=alice, limit=limit))["output_reference"] for limit in (1, 2)]
    paths = [path_of({"output_reference": url}) for url in urls]
    assert paths[0] != paths[1]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    frappe.delete_doc("File", frappe.db.get_value("File", {"file_url": urls[0]}))
    frappe.db.commit()
    assert not paths[0].exists()
    assert paths[1].exists()
