"""Reads the parameters of an export, and checks them against the current user's permissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import frappe
from frappe import _
from frappe.permissions import get_role_permissions

from dartwing_core.jobs import PermanentError
from dartwing_core.jobs.lib.texts import cut

from . import export_filters
from .export_filters import check_field
from .record_query import RecordQuery, exportable_fields


def read(parameters: Mapping[str, Any]) -> RecordQuery:
    """Check `doctype`, `fields`, `filters`, `order_by` and `limit`. Raises PermanentError with the reason."""
    doctype = _doctype(parameters.get("doctype"))
    only_own = _check_permission(doctype)
    allowed = exportable_fields(doctype)
    filters = export_filters.read(doctype, parameters.get("filters"), allowed)
    if only_own:
        filters.append([doctype, "owner", "=", frappe.session.user])
    return RecordQuery(
        doctype=doctype,
        fields=_fields(doctype, parameters.get("fields"), allowed),
        filters=filters,
        order_by=_order_by(doctype, parameters.get("order_by"), allowed),
        limit=_limit(parameters.get("limit")),
    )


def _doctype(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise PermanentError(_("{0} is missing.").format("doctype"))
    found = frappe.db.exists("DocType", name)
    if not found:
        raise PermanentError(_("Unknown DocType: {0}.").format(cut(name)))
    meta = frappe.get_meta(found)
    if meta.istable or meta.issingle or meta.get("is_virtual"):
        raise PermanentError(
            _("{0} is a child table, a single or a virtual DocType; it has no list to export.").format(name)
        )
    return meta.name


def _check_permission(doctype: str) -> bool:
    """Whether the user may export only their own records, by a role with "if owner".

    Raises PermanentError without the permissions to read and, as for Frappe's own list export, to export.
    """
    if not frappe.has_permission(doctype, "read"):
        raise PermanentError(_("You are not allowed to read {0}.").format(_(doctype)))
    if frappe.session.user == "Administrator" or "System Manager" in frappe.get_roles():
        return False
    permissions = get_role_permissions(frappe.get_meta(doctype), is_owner=True)
    if permissions.get("export"):
        return False
    if permissions.get("if_owner", {}).get("export"):
        return True
    raise PermanentError(_("You are not allowed to export {0}.").format(_(doctype)))


def _fields(doctype: str, names: Any, allowed: list[str]) -> list[str]:
    if names is None:
        return _default_fields(doctype, allowed)
    if not isinstance(names, list) or not names:
        raise PermanentError(_("{0} must be a list of field names.").format("fields"))
    for name in names:
        check_field(doctype, name, allowed)
    return list(dict.fromkeys(names))


def _default_fields(doctype: str, allowed: list[str]) -> list[str]:
    """The name and the form's fields, in the form's order, without fields hidden in the form or in reports."""
    shown = [df.fieldname for df in frappe.get_meta(doctype).fields if not (df.hidden or df.report_hide)]
    return ["name", *(name for name in shown if name in allowed)]


def _order_by(doctype: str, given: Any, allowed: list[str]) -> str | None:
    if given in (None, ""):
        return None
    parts = given.split() if isinstance(given, str) else []
    direction = parts[1].lower() if len(parts) == 2 else "asc"
    if len(parts) not in (1, 2) or direction not in ("asc", "desc"):
        raise PermanentError(_("order_by must be a field name, optionally followed by asc or desc."))
    check_field(doctype, parts[0], allowed)
    return f"`tab{doctype}`.`{parts[0]}` {direction}"


def _limit(given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise PermanentError(_("limit must be a whole number of at least 1."))
    return given
