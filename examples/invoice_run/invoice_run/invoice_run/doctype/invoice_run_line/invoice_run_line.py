"""One invoice of a run."""

from frappe.model.document import Document


class InvoiceRunLine(Document):
    pass
