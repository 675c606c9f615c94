"""A Job Type for its page: figures of its jobs, the latest ones, the schema of their parameters. Open circuits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import frappe
from frappe import _
from pypika import Order

from ..access import permission, visibility
from ..after import follow_up
from ..after.after_commit import after_commit
from ..errors import CircuitNotFoundError, InvalidJobError, InvalidTransitionError, UnknownHandlerError
from ..job import circuits
from ..job.circuits import CircuitRow
from ..lib import config
from ..lib.config import JobType
from ..lib.rows import changed
from ..lib.tables import CIRCUIT
from ..lib.texts import cut
from ..line import queue_view
from ..read import figures, jobs, pages
from ..submit import submission
from ..types import declared_types, handlers

RECENT = 10
MOST_CIRCUITS = 1_000


def get_job_type_overview(job_type: str, hours: int = 24) -> dict[str, Any]:
    """Figures of a Job Type's jobs that the user may see, the newest ten, and the JSON Schema of its parameters.

    Times and failure rate are of jobs submitted in the last `hours`. `schema` is that of the Job Type, else of its
    handler, else None. `circuits`: those that are not closed, for admins of the organizations.
    `can_run`: whether the user has the permission that it requires. `differences_from_code`: the fields whose values
    differ from those that the code declares, for users who may change them.
    Raises InvalidJobError for a type that does not exist. A user who may use no Job Type at all gets it for each one.
    """
    found = config.job_type(job_type) if isinstance(job_type, str) and job_type else None
    looking = visibility.viewer()
    is_concerned = looking.sees_everything or looking.reach.members  # has an organization for which to submit jobs
    if found is None or not (is_concerned or frappe.has_permission(config.JOB_TYPE, "read")):
        raise InvalidJobError(_("Unknown Job Type: {0}.").format(cut(job_type)))
    can_change = bool(frappe.has_permission(config.JOB_TYPE, "write"))
    return {
        "job_type": found.name,
        "display_name": found.display_name,
        "is_paused": bool(found.is_paused),
        "can_run": bool(found.is_enabled) and permission.has_required(frappe.session.user, found.requires_permission),
        "can_change": can_change,
        "differences_from_code": _differences(found) if can_change else [],
        "schema": handlers.schema_of(found),
        "figures": figures.get_type_figures(found.name, hours),
        "circuits": [one for one in get_open_circuits() if one["job_type"] == found.name],
        "recent": jobs.list_jobs(job_type=found.name, limit=RECENT)["jobs"],
    }


def list_job_types(organization: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """The Job Types whose jobs the user may submit for an organization, given by id or name.

    `schema`: the JSON Schema of the parameters, or None. Times are in seconds. Raises frappe.PermissionError for users
    who are no members of the organization.
    """
    user = frappe.session.user
    permission.check_member(user, submission.organization_text(organization, config.settings()))
    names = frappe.get_all(config.JOB_TYPE, {"is_enabled": 1}, pluck="name", order_by="name")
    found = [job_type for name in names if (job_type := config.job_type(name))]
    return {"job_types": [_described(one) for one in found if _may_submit(user, one)]}


def _may_submit(user: str, job_type: JobType) -> bool:
    try:
        handlers.resolve(job_type.handler_method)
    except UnknownHandlerError:  # its app is gone
        return False
    return permission.has_required(user, job_type.requires_permission)


def _described(job_type: JobType) -> dict[str, Any]:
    return {
        "job_type": job_type.name,
        "display_name": job_type.display_name,
        "description": job_type.get("description") or "",
        "schema": handlers.schema_of(job_type),
        "priority": job_type.default_priority or "Normal",
        "timeout_seconds": job_type.default_timeout or config.DEFAULT_TIMEOUT,
        "max_retries": job_type.max_retries or 0,
        "is_paused": bool(job_type.is_paused),
    }


def _differences(job_type: JobType) -> list[dict[str, str]]:
    label_of = frappe.get_meta(config.JOB_TYPE).get_label
    return [
        {"label": _(label_of(fieldname)), "here": str(is_now or ""), "code": str(said or "")}
        for fieldname, (said, is_now) in declared_types.differences(job_type).items()
    ]


# Circuits -------------------------------------------------------------------------------------------------------------


def get_open_circuits(organization: str | None = None) -> list[dict[str, Any]]:
    """The open and half open circuits in organizations that the user administers, newest first.

    Leaves out Job Types whose circuit breaker is off. At most 1,000.
    """
    job_type = frappe.qb.DocType(config.JOB_TYPE)
    query = frappe.qb.from_(CIRCUIT).join(job_type).on(job_type.name == CIRCUIT.job_type)
    query = query.select(*(CIRCUIT[name] for name in circuits.PUBLIC_FIELDS))
    visible = visibility.viewer().visible(CIRCUIT, pages.text(organization, "organization"), administered=True)
    query = query.where(visible & CIRCUIT.status.isin(circuits.NOT_CLOSED))
    query = query.where((job_type.enable_circuit_breaker == 1) & (job_type.is_enabled == 1))
    query = query.orderby(CIRCUIT.opened_at, order=Order.desc).orderby(CIRCUIT.name).limit(MOST_CIRCUITS)
    return _public_circuits(query.run(as_dict=True))


def manually_close_circuit(job_type: str, organization: str) -> dict[str, Any]:
    """Close a circuit before its cool-down is over, so that its jobs start again. Returns the circuit.

    Writes in the caller's transaction. Earlier failures do not count any more. For admins of the organization.
    Raises CircuitNotFoundError if it never opened or can't be seen, InvalidTransitionError if it is closed already.
    """
    row: CircuitRow | None = None
    viewer = visibility.viewer()
    found = viewer.id_of(organization)
    if found and viewer.administers(found):
        filters = {"job_type": job_type, "organization": found}
        row = frappe.db.get_value(config.CIRCUIT, filters, [*circuits.PUBLIC_FIELDS], as_dict=True)
    if not row:
        text = _("There is no circuit for jobs of type {0} in the organization {1} that you may close.")
        raise CircuitNotFoundError(text.format(cut(job_type), cut(organization)))
    [closed] = _public_circuits([changed(row, {"status": circuits.CLOSED, "probe_job": None})])
    if not circuits.close_by_hand(row["name"], frappe.session.user):
        text = _("The circuit of {0} for {1} is already closed.")
        raise InvalidTransitionError(text.format(row["job_type"], closed["organization_name"]))
    after_commit().actions.append(partial(follow_up.announce_change, row, circuits.CLOSED))
    after_commit().add_once(queue_view.ring_for_line)
    return closed


def _public_circuits(rows: Sequence[CircuitRow]) -> list[dict[str, Any]]:
    found = visibility.viewer().with_organization_names([pages.public(row) for row in rows])
    return [{"circuit_id": row.pop("name"), **row} for row in found]
