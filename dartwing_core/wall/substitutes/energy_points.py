"""Functions of Frappe 15 about the energy points of any user. Later versions have none."""

from __future__ import annotations

from typing import Any

import frappe
from frappe import _

from ..frappe_version import IS_15
from .base import instead_of, sees_everything, text_of

GROUPS = ("type", "rule", "reference_doctype")
"""The fields by which the page of a user groups."""

if IS_15:
    from frappe.desk.page.user_profile import user_profile

    @instead_of(user_profile.get_energy_points_percentage_chart_data)
    def get_energy_points_percentage_chart_data(given: dict[str, Any]) -> Any:
        """Group only by harmless fields: Frappe groups by any field, also by names of documents and reasons. 15."""
        if not sees_everything():
            text_of(given, "user")
            if given.get("field") not in GROUPS:
                raise frappe.PermissionError(_("This is not allowed."))
        return user_profile.get_energy_points_percentage_chart_data(**given)
