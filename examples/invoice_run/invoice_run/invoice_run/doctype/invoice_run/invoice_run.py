"""The invoices of a month, which jobs print when the run is submitted."""

from __future__ import annotations

from frappe import _
from frappe.model.document import Document

from dartwing_core.jobs import batch, chain, group
from invoice_run.jobs import close_run, print_invoice


class InvoiceRun(Document):
    def on_submit(self) -> None:
        """Submit one job for each invoice, and one that follows when all are printed. They exist with the commit."""
        print_one = print_invoice.with_options(reference=self)  # the form of this document lists its jobs
        close = close_run.with_options(reference=self, title=_("Close {0}").format(self.title))
        invoices = [print_one.job(run=self.name, line=line.name, customer=line.customer) for line in self.lines]
        jobs = batch(chain(group(*invoices), close.job(run=self.name)), description=self.title)
        self.db_set("batch", jobs.submit(self.organization).name)
