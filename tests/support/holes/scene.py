"""The list of holes, and what they are shown with: a user, documents that this user may not see, and a secret in them.

The rules of the wall act within web requests and Frappe's background jobs. Here Frappe's functions are called outside
of both, so no rule acts. The permissions of the DocTypes hold as always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import frappe
import pypika.utils
import pytest
from frappe.model.document import Document

from dartwing_core.wall import by_request
from tests.support import factory, records, tenants

JOB, ORGANIZATION = "Background Job", "Organization"
ROW = "Test Holed"
"""A DocType of which everybody reads and writes their own rows. It links to a job and an organization."""
FIELDS = (
    {"fieldname": "subject", "fieldtype": "Data", "label": "Subject"},
    {"fieldname": "job", "fieldtype": "Link", "options": JOB, "label": "Job"},
    {"fieldname": "error", "fieldtype": "Data", "label": "Error", "fetch_from": "job.error_message"},
    {"fieldname": "organization", "fieldtype": "Link", "options": ORGANIZATION, "label": "Organization"},
)
OWN_ROWS = {"role": "All", "if_owner": 1, **dict.fromkeys(("read", "write", "create", "report", "export", "print"), 1)}


@dataclass
class Scene:
    """`user` sees the job `own` and the row `own_row`; all else belongs to `other`, who is in another organization."""

    user: str
    other: str
    own: str
    hidden: str
    secret: str
    own_row: str
    hidden_row: str
    organization: str
    organization_title: str
    hidden_file: str
    answers: list[str] = field(default_factory=list)

    def answer(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        """What a call returns to the user; the exception if it raises one."""
        frappe.set_user(self.user)
        frappe.clear_messages()
        try:
            found = function(*arguments, **named)
        except Exception as error:
            found = error
        finally:
            frappe.set_user("Administrator")
        self.answers.append(told(found))
        return found

    def told(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> str:
        """What a call tells the user: the text of its answer or of its exception."""
        return told(self.answer(function, *arguments, **named))

    def outcome(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> str:
        """The type of the exception that a call raises; empty if it returns."""
        found = self.answer(function, *arguments, **named)
        return type(found).__name__ if isinstance(found, Exception) else ""


def told(found: Any) -> str:
    """The text of an answer or of an exception."""
    return f"{type(found).__name__}: {found}" if isinstance(found, Exception) else frappe.as_json(found)


@dataclass(frozen=True)
class Hole:
    """`rule`: the module of the rule, and what it closes; `versions`: Frappe's that have the hole."""

    rule: str
    versions: tuple[int, ...]
    is_open: Callable[[Scene], bool]
    needs_bench: bool


HOLES: dict[str, Hole] = {}


def hole(
    rule: str, *versions: int, needs_bench: bool = False
) -> Callable[[Callable[[Scene], bool]], Callable[[Scene], bool]]:
    """Register a function that returns whether the hole is there. `needs_bench`: the standalone site can't show it."""

    def register(is_open: Callable[[Scene], bool]) -> Callable[[Scene], bool]:
        assert rule not in HOLES, rule
        HOLES[rule] = Hole(rule, versions, is_open, needs_bench)
        return is_open

    return register


def skip_if_pypika_quotes_backticks() -> None:
    """With PyPika 0.51 a backtick ends no name; a Frappe 16 may have an older one."""
    if "``" in pypika.utils.format_quotes("a`b", "`"):
        pytest.skip("this PyPika quotes backticks")


def make_doctype() -> None:
    """Make ROW."""
    records.make_doctype(ROW, FIELDS, [OWN_ROWS], module="Core", track_changes=1)


def remove_doctype() -> None:
    """Remove ROW with its rows."""
    records.remove_doctypes(ROW)


@contextmanager
def made() -> Iterator[Scene]:
    """A scene; what a hole writes is undone, and nothing of it is committed."""
    user, targets = tenants.email_of("user"), tenants.targets("user")
    own, hidden = targets["own"], targets["beta"]
    rows = {}
    for owner in (user, "Administrator"):
        row = {"doctype": ROW, "subject": "=1+1", "job": hidden.name, "organization": factory.BETA}
        rows[owner] = frappe.get_doc(row).insert(ignore_permissions=True)
        rows[owner].db_set("owner", owner, update_modified=False)
    file = {"attached_to_doctype": JOB, "attached_to_name": hidden.name}
    frappe.db.commit()
    commit, frappe.db.commit = frappe.db.commit, lambda **_chain: None  # some of Frappe's functions commit
    frappe.flags.pop(by_request.FLAG, None)
    try:
        yield Scene(
            user=user,
            other=factory.user("m_bert", factory.BETA),
            own=own.name,
            hidden=hidden.name,
            secret=hidden.secret,
            own_row=rows[user].name,
            hidden_row=rows["Administrator"].name,
            organization=factory.BETA,
            organization_title=factory.title_of(factory.BETA),
            hidden_file=frappe.db.get_value("File", file),
        )
    finally:
        frappe.set_user("Administrator")
        frappe.db.commit = commit
        frappe.db.rollback()
        frappe.db.sql("SET SESSION max_statement_time = DEFAULT")  # Frappe's `get_open_count` leaves one second
        frappe.clear_cache(user=user)
        frappe.db.delete(ROW)
        frappe.db.commit()


@contextmanager
def private_file(name: str, content: bytes, **attached: str) -> Iterator[Document]:
    """A file of Administrator's; gone from the disk afterwards."""
    values = {"file_name": name, "content": content, "is_private": 1, **attached}
    file = frappe.get_doc({"doctype": "File", **values}).insert(ignore_permissions=True)
    try:
        yield file
    finally:
        Path(file.get_full_path()).unlink(missing_ok=True)  # its row is undone with the scene
