"""What Frappe 15 tells of energy points, of whoever has them. Later versions have none."""

from __future__ import annotations

from typing import Any

import frappe
from frappe import _

from ..frappe_version import IS_15
from .base import instead_of, sees_everything, text_of

GROUPS = ("type", "rule", "reference_doctype")
"""By which the page of a user groups."""

if IS_15:
    from frappe.desk.page.user_profile import user_profile

    @instead_of(user_profile.get_energy_points_percentage_chart_data)
    def get_energy_points_percentage_chart_data(given: dict[str, Any]) -> Any:
        """Frappe groups by any field: names of documents, and what was written about them. 15."""
        if not sees_everything():
            text_of(given, "user")
            if given.get("field") not in GROUPS:
                raise frappe.PermissionError(_("This is not allowed."))
        return user_profile.get_energy_points_percentage_chart_data(**given)
