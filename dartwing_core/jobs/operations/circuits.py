"""Lists open circuits for those who may see them, and closes one by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import frappe
from frappe import _
from pypika import Order
from pypika.queries import QueryBuilder

from ..access import visibility
from ..after import after_settle
from ..errors import CircuitNotFoundError, InvalidTransitionError
from ..job import circuits
from ..job.circuits import CircuitRow
from ..lib import config
from ..lib.row_types import changed
from ..lib.texts import cut
from ..line import wake
from ..read import pages
from ..submit.after_commit import after_commit

MAX_LISTED = 1_000


def get_open_circuits(organization: str | None = None) -> list[dict[str, Any]]:
    """The open and half open circuits in organizations that the user administers, newest first.

    Leaves out Job Types whose circuit breaker is off. At most 1,000.
    """
    rows = open_query(visibility.viewer(), pages.text(organization, "organization")).run(as_dict=True)
    return _public(rows)


def open_query(viewer: visibility.Viewer, organization: str | None) -> QueryBuilder:
    """The query for the open circuits that this viewer administers, newest first."""
    circuit, job_type = frappe.qb.DocType(config.CIRCUIT), frappe.qb.DocType(config.JOB_TYPE)
    query = frappe.qb.from_(circuit).join(job_type).on(job_type.name == circuit.job_type)
    query = query.select(*(circuit[name] for name in circuits.PUBLIC_FIELDS))
    query = query.where(
        viewer.visible(circuit, organization, administered=True) & circuit.status.isin(circuits.NOT_CLOSED)
    )
    query = query.where((job_type.enable_circuit_breaker == 1) & (job_type.is_enabled == 1))
    return query.orderby(circuit.opened_at, order=Order.desc).orderby(circuit.name).limit(MAX_LISTED)


def manually_close_circuit(job_type: str, organization: str) -> dict[str, Any]:
    """Close a circuit before its cool-down is over, so that its jobs start again. Returns the circuit.

    Writes in the caller's transaction. Earlier failures do not count any more. For admins of the organization.
    Raises CircuitNotFoundError if it never opened or can't be seen, InvalidTransitionError if it is closed already.
    """
    row = _visible(job_type, organization)
    [closed] = _public([changed(row, {"status": circuits.CLOSED, "probe_job": None})])
    if not circuits.close_by_hand(row["name"], frappe.session.user):
        text = _("The circuit of {0} for {1} is closed already.")
        raise InvalidTransitionError(text.format(row["job_type"], closed["organization_name"]))
    after_commit().actions.append(partial(after_settle.announce_change, row, circuits.CLOSED))
    after_commit().add_once(wake.wake_for_line)
    return closed


def _visible(job_type: str, organization: str) -> CircuitRow:
    row: CircuitRow | None = None
    viewer = visibility.viewer()
    found = viewer.id_of(organization)
    if found and viewer.administers(found):
        fields = [*circuits.PUBLIC_FIELDS]
        filters = {"job_type": job_type, "organization": found}
        row = frappe.db.get_value(config.CIRCUIT, filters, fields, as_dict=True)
    if not row:
        text = _("Jobs of type {0} of the organization {1} have no circuit that you may close.")
        raise CircuitNotFoundError(text.format(cut(job_type), cut(organization)))
    return row


def _public(rows: Sequence[CircuitRow]) -> list[dict[str, Any]]:
    found = visibility.viewer().with_organization_names([pages.public(row) for row in rows])
    return [{"circuit_id": row.pop("name"), **row} for row in found]
