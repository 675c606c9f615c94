from __future__ import annotations

from frappe.model.document import Document


class Organization(Document):
    """A tenant: jobs, limits and members belong to one."""
