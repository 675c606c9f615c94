"""The link fields to organizations lead to the DocType that the site's adapter names, by Property Setters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import frappe
from frappe import _
from frappe.custom.doctype.property_setter.property_setter import delete_property_setter

from ..access import tenancy
from ..errors import TenancyHookError

SETTER = "Property Setter"
TYPES = {"options": "Text", "ignore_user_permissions": "Check"}
"""The properties that are set, with the types of their values."""


def follow_adapter() -> str | None:
    """Let the links lead to the adapter's DocType, or to Organization. Returns the reason if they stay as they are.

    User Permissions for that DocType don't narrow the lists of jobs: the adapter says who sees which. An
    administrator's own Property Setters stay.
    """
    try:
        doctype = tenancy.organization_doctype()
    except TenancyHookError as error:
        return str(error)
    except Exception as error:  # of the other app's module: it must not end a migrate
        return _("The hook {0} can't be read: {1}: {2}").format(tenancy.HOOK, type(error).__name__, error)
    if not frappe.db.exists("DocType", doctype):
        return _("The hook {0} names organizations of the DocType {1}, which does not exist.").format(
            tenancy.HOOK, doctype
        )
    wanted = {} if doctype == tenancy.ORGANIZATION else {"options": doctype, "ignore_user_permissions": "1"}
    for linking, field in tenancy.LINKS.items():
        _set(linking, field, wanted)
    return None


def _set(doctype: str, field: str, wanted: Mapping[str, str]) -> None:
    filters = {"doc_type": doctype, "field_name": field, "property": ["in", list(TYPES)]}
    rows = frappe.get_all(SETTER, filters=filters, fields=["property", "value", "is_system_generated"])
    found = {row.property: row for row in rows}
    for name, kind in TYPES.items():
        setter, value = found.get(name), wanted.get(name)
        if setter and (not setter.is_system_generated or setter.value == value):
            continue
        if value is not None:
            _make(doctype, field, name, value, kind)
        elif setter:
            delete_property_setter(doctype, name, field)
            frappe.clear_cache(doctype=doctype)


def _make(doctype: str, field: str, name: str, value: str, kind: str) -> None:
    """Make a Property Setter that is known as ours: Frappe 15's own function does not mark it."""
    row: dict[str, Any] = {"doctype": SETTER, "doctype_or_field": "DocField", "doc_type": doctype, "field_name": field}
    row |= {"property": name, "value": value, "property_type": kind, "is_system_generated": 1}
    setter = frappe.get_doc(row)
    setter.flags.ignore_permissions = True
    setter.flags.validate_fields_for_doctype = False
    setter.insert()
