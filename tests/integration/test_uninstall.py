"""What the app leaves on a site when it is uninstalled. Frappe itself deletes its DocTypes and their tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import frappe
import pytest

from dartwing_core import install
from dartwing_core.jobs.access import desk_access, tenancy
from dartwing_core.jobs.db import sql
from dartwing_core.jobs.store import private_files
from dartwing_core.uninstall import REFERRING, ROWS, SET_UP
from tests.support import files, tenancy_hook
from tests.support.jobs import submitted

DESK_16 = ("Desktop Icon", "Workspace Sidebar")
JOB = "Background Job"
GUEST = ("User", "Guest")


def begin_uninstall() -> None:
    """What `uninstall-app` calls first. Frappe then deletes the DocTypes."""
    for hook in frappe.get_hooks("before_uninstall", app_name="dartwing_core"):
        frappe.get_attr(hook)()


@pytest.fixture(autouse=True)
def restored(site) -> Iterator[None]:
    yield
    frappe.db.rollback()
    frappe.clear_cache()


def insert(doctype: str, **values: Any) -> str:
    """A row as it stands in the database, however it came there."""
    row = frappe.get_doc({"doctype": doctype, "name": frappe.generate_hash(length=10), **values})
    row.db_insert()
    return str(row.name)


def test_uninstalling_leaves_no_scheduled_job_no_role_and_no_entry_of_desk(site):
    # Seen failing: Frappe left all of them, and its scheduler went on with jobs whose functions are gone. Without the
    # line in hooks.py, too.
    left = {"Scheduled Job Type": {"method": ["like", "dartwing_core.%"]}, "Role": {"name": ["like", "Dartwing %"]}}
    if frappe.db.exists("DocType", "Workspace Sidebar"):
        left |= {doctype: {"app": "dartwing_core"} for doctype in DESK_16}
    others = {
        doctype: frappe.db.count(doctype) - frappe.db.count(doctype, filters) for doctype, filters in left.items()
    }
    assert all(frappe.db.count(doctype, filters) for doctype, filters in left.items())
    begin_uninstall()
    assert not any(frappe.db.count(doctype, filters) for doctype, filters in left.items())
    assert {doctype: frappe.db.count(doctype) for doctype in left} == others


def test_no_link_to_the_adapters_doctype_is_left(site, tmp_path):
    # Seen failing: Frappe found our fields by them, and no Company could be renamed: their tables were gone.
    with tenancy_hook.app(tmp_path) as app, tenancy_hook.hook(f"{app}.company_tenancy"):
        install.follow_adapter()
        ours = {"doc_type": ["in", list(tenancy.LINKS)], "is_system_generated": 1}
        assert frappe.db.count("Property Setter", ours) == 2 * len(tenancy.LINKS)
        begin_uninstall()
        install.after_app_uninstall("dartwing_core")  # Frappe 15 calls it, and the other app still has its hook
        assert not frappe.db.exists("Property Setter", ours)
        frappe.db.rollback()
    assert frappe.db.exists("Role", "Dartwing User"), "nothing has committed, which a dry run relies on"


def test_nothing_about_our_doctypes_is_left(site):
    # Seen failing: custom fields, webhooks, notices and comments stayed. Saving some, or a contact, failed.
    fields = {kind: field for kind, field in {**SET_UP, **ROWS}.items() if kind != "Singles" and is_there(kind)}
    ours = {doctype: insert(doctype, **{field: JOB}) for doctype, field in fields.items()}
    others = {doctype: insert(doctype, **{field: "User"}) for doctype, field in fields.items()}
    begin_uninstall()
    assert [doctype for doctype, name in ours.items() if frappe.db.exists(doctype, name)] == []
    assert [doctype for doctype, name in others.items() if not frappe.db.exists(doctype, name)] == []
    assert not frappe.db.exists("Singles", {"doctype": "Job Engine Settings"})


def is_there(doctype: str) -> bool:
    """Whether this version of Frappe has the DocType."""
    return bool(frappe.db.table_exists(doctype))


def test_peoples_own_rows_stay_without_their_reference(site):
    # Seen failing: a task about a job could not be closed any more.
    referring = {kind: fields for kind, fields in REFERRING.items() if frappe.get_meta(kind).has_field(fields[0])}
    ours = {kind: insert(kind, **dict(zip(fields, (JOB, "x"), strict=True))) for kind, fields in referring.items()}
    others = {kind: insert(kind, **dict(zip(fields, GUEST, strict=True))) for kind, fields in referring.items()}
    begin_uninstall()
    for kind, fields in referring.items():
        assert frappe.db.get_value(kind, ours[kind], list(fields)) == (None, None)
        assert frappe.db.get_value(kind, others[kind], list(fields)) == GUEST


@pytest.mark.parametrize("doctype", ["Client Script", "Prepared Report"])
def test_a_dry_run_deletes_no_bytes_of_files_on_what_people_have_set_up(site, doctype):
    # Seen failing: the bytes were gone after the rollback, and the File was not.
    report = frappe.get_all("Report", {"ref_doctype": JOB}, pluck="name", limit=1)[0]
    name = insert(doctype, **({"dt": JOB} if doctype == "Client Script" else {"report_name": report}))
    values = {"attached_to_doctype": doctype, "attached_to_name": name, "is_private": 1, "content": b"theirs"}
    file = frappe.get_doc({"doctype": "File", "file_name": f"{frappe.generate_hash()}.txt", **values}).insert()
    frappe.db.commit()
    try:
        begin_uninstall()
        assert not frappe.db.exists("File", file.name)
        frappe.db.rollback()
        assert frappe.get_doc("File", file.name).get_content() == "theirs"
    finally:
        frappe.delete_doc("File", file.name, force=True)
        frappe.db.delete(doctype, {"name": name})
        frappe.db.commit()


def test_files_go_with_their_bytes_once_the_deletion_is_committed(site, job_type):
    # Seen failing: the results of all jobs stayed on the disk, without a rule that guards them.
    job = submitted(job_type)
    gone, kept = (files.stored(job, content, "list.csv") for content in (b"one", b"two"))
    frappe.db.commit()
    begin_uninstall()
    assert not frappe.db.exists("File", {"attached_to_doctype": ["in", desk_access.TENANT_DOCTYPES]})
    paths = [private_files.path_of(file.file_url) for file in (gone, kept)]
    assert all(path.exists() for path in paths), "until the commit"
    assert any(isinstance(one, private_files.EmptiedFolder) for one in frappe.db.after_commit._functions)
    frappe.db.rollback()
    frappe.db.delete("File", {"name": gone.name})
    sql.callback_of_transaction(private_files.EmptiedFolder)
    frappe.db.commit()
    assert [path.exists() for path in paths] == [False, True]
