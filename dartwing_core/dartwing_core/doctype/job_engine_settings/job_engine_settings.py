from __future__ import annotations

import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import cint

MIN_LEASE_SECONDS = 5  # two beats of the heartbeat


class JobEngineSettings(Document):
    """Settings of the job engine; `dartwing_core.jobs.config` reads them."""

    def validate(self) -> None:
        if 0 < cint(self.lease_seconds) < MIN_LEASE_SECONDS:
            frappe.throw(_("Lost After must be at least {0} seconds.").format(MIN_LEASE_SECONDS))
