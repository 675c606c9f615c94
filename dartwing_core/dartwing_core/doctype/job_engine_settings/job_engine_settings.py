from __future__ import annotations

from frappe.model.document import Document


class JobEngineSettings(Document):
    """Settings of the job engine; `dartwing_core.jobs.config` reads them."""
