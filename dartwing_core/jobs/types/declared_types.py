"""Job Types that code declares: made, changed, renamed and disabled as the code says; a site's own changes stay."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import frappe
from frappe import _
from frappe.model.rename_doc import rename_doc

from ..errors import InvalidJobError
from ..lib import config, server_errors
from ..lib.config import JobType
from . import handlers
from .handlers import Mark

if TYPE_CHECKING:
    from frappe.model.document import Document

IN_CODE, GONE = "In Code", "No Longer in Code"
SAVEPOINT = "job_type_in_code"


class SyncReport(NamedTuple):
    """What a sync could not do, in sentences: on code that can't be imported, and on types that stay as they are."""

    unreadable: list[str]
    problems: list[str]


def sync_types() -> SyncReport:
    """Make the Job Types what code says. Writes in the caller's transaction.

    A field that a site has changed keeps its value, and so do all fields of a type that was made by hand before. A type
    that is no longer in code is disabled, and enabled again when its code is back. None is while some code can't be
    imported: it may be there. A type of that name with another handler stays as it is.
    """
    found, unreadable = handlers.find_declarations()
    report = SyncReport(unreadable, [])
    paths: dict[str, str] = {}
    for path, declared in found.items():
        name = declared.type_name
        if name in paths:
            text = _("Job Type {0} is declared by {1} and by {2}.")
            report.problems.append(text.format(name, paths[name], path))
        paths.setdefault(name, path)
    for path in paths.values():
        _try_to_sync(found[path], path, paths, report)
    rows = frappe.get_all(config.JOB_TYPE, {"declared_by": ["is", "set"], "code_state": IN_CODE}, pluck="name")
    for name in () if unreadable else set(rows) - paths.keys():
        job_type = frappe.get_doc(config.JOB_TYPE, name)
        job_type.update({"is_enabled": 0, "code_state": GONE})
        job_type.flags.ignore_validate = True  # its handler is gone
        job_type.save(ignore_permissions=True)
    return report


def _try_to_sync(declared: Mark, path: str, names: Collection[str], report: SyncReport) -> None:
    """Sync one type. A wrong one leaves nothing behind but a problem in the report."""
    messages = len(frappe.local.message_log)
    frappe.db.savepoint(SAVEPOINT)
    try:
        _sync_one(declared, path, names)
    except Exception as error:
        if server_errors.database_code(error) is not None:
            raise  # the transaction may be undone
        frappe.db.rollback(save_point=SAVEPOINT)
        del frappe.local.message_log[messages:]
        reason = str(error) if isinstance(error, frappe.ValidationError) else f"{type(error).__name__}: {error}"
        report.problems.append(_("Job Type {0}: {1}").format(declared.type_name, reason))


def _sync_one(declared: Mark, path: str, names: Collection[str]) -> None:
    """Make, rename or change one type."""
    values, name = declared.values(), declared.type_name
    said = json.dumps(values, sort_keys=True)
    options = {handlers.FIELDS.get(option, option): option for option in declared.options}
    own = {"handler_method": path, "declared_by": path, "declared_values": said, "code_state": IN_CODE}
    if not frappe.db.exists(config.JOB_TYPE, name):
        if not (former := _former(declared, path, names)):
            made = frappe.get_doc({"doctype": config.JOB_TYPE, "type_name": name, **values, **own})
            made.flags.names = options
            made.insert(ignore_permissions=True)
            return
        rename_doc(config.JOB_TYPE, former, name, force=True, ignore_permissions=True, show_alert=False)
    job_type = frappe.get_doc(config.JOB_TYPE, name)
    job_type.flags.names = options
    if not job_type.declared_by and job_type.handler_method != path:
        text = _("it was made by hand, with the handler {0}. Rename or delete it, or declare another name.")
        raise InvalidJobError(text.format(job_type.handler_method))
    before = job_type.as_dict()
    if job_type.declared_by:
        _follow(job_type, values)
    if job_type.code_state == GONE:
        job_type.is_enabled = 1
    job_type.update(own)
    if any(before.get(fieldname) != job_type.get(fieldname) for fieldname in (*before, *values)):
        job_type.save(ignore_permissions=True)


def _former(declared: Mark, path: str, names: Collection[str]) -> str | None:
    """The type that has a former name of this one: of the same handler or app, and not declared by its name."""
    app = path.partition(".")[0]
    for name in declared.options.get("former_names", ()):
        row = frappe.db.get_value(config.JOB_TYPE, name, ["declared_by", "handler_method"], as_dict=True)
        is_its_own = row and (row.handler_method == path or (row.declared_by or "").partition(".")[0] == app)
        if is_its_own and name not in names:
            return name
    return None


def _follow(job_type: Document, values: Mapping[str, Any]) -> None:
    """Take over what code says now, but for the fields that the site has changed since code said something else."""
    said = frappe.parse_json(job_type.declared_values or "{}")
    for fieldname in {*said, *values}:
        if _is_same(job_type.get(fieldname), said.get(fieldname, _default(job_type, fieldname, said))):
            job_type.set(fieldname, values.get(fieldname, _default(job_type, fieldname, values)))


def _default(job_type: Document, fieldname: str, said: Mapping[str, Any]) -> Any:
    """The value of a field of which the code says nothing, where it says `said` of others."""
    filled_in = {
        "display_name": frappe.unscrub(job_type.type_name),
        "deduplication": config.policy_of_window(said.get("deduplication_window")),
        "deduplication_window": config.DEFAULT_WINDOW,
    }
    return filled_in.get(fieldname, job_type.meta.get_field(fieldname).default)


def _is_same(value: Any, other: Any) -> bool:
    """Whether two values of a field are the same: defaults are texts, and a number may be 0 or missing."""
    first, second = (str(one or "").strip() for one in (value, other))
    return first == second or {first, second} == {"", "0"}


def differences(job_type: JobType) -> dict[str, tuple[Any, Any]]:
    """The fields in which a Job Type differs from its code: the value of the code, and its own."""
    said = frappe.parse_json(job_type.get("declared_values") or "{}")
    return {
        fieldname: (value, job_type.get(fieldname))
        for fieldname, value in said.items()
        if not _is_same(job_type.get(fieldname), value)
    }
