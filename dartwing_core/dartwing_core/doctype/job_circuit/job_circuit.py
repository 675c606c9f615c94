from __future__ import annotations

import frappe
from frappe import _

from dartwing_core.dartwing_core.guarded_document import EngineDocument
from dartwing_core.jobs.job import circuits


class JobCircuit(EngineDocument):
    """The circuit of a Job Type in an organization; written only by the engine."""

    def on_trash(self) -> None:
        """Refuse to delete a circuit that is not closed."""
        if self.status != circuits.CLOSED:
            frappe.throw(_("The circuit is not closed. Close it before you delete it."))
