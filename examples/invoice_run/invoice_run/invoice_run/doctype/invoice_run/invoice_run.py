"""The invoices of a month, which jobs print when the run is submitted."""

from __future__ import annotations

from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import batch, chain, group, job


class InvoiceRun(Document):
    def on_submit(self) -> None:
        """Submit one job for each invoice, and one that follows when all are printed. They exist with the commit."""
        about = {"reference": self}  # the form of this document lists its jobs
        invoices = [
            job("print_invoice", {"run": self.name, "line": line.name, "customer": line.customer}, **about)
            for line in self.lines
        ]
        close = job("close_run", {"run": self.name}, title=_("Close {0}").format(self.title), **about)
        jobs = batch(chain(group(*invoices), close), description=self.title)
        self.db_set("batch", jobs.submit(self.organization).name)
