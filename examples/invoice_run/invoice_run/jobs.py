"""The jobs of an invoice run."""

from __future__ import annotations

import frappe
from frappe import _
from frappe.utils import add_months, escape_html, fmt_money, getdate

from dartwing_core.jobs import JobContext, PermanentError, get_job_details, job_handler


@job_handler("print_invoice", timeout=60, max_retries=3, title="Invoice for {customer}", deduplication="Never")
def print_invoice(context: JobContext, run: str, line: str, customer: str) -> dict[str, str | float]:
    """Print one invoice, as a file of its run."""
    invoice = frappe.get_doc("Invoice Run", run).getone("lines", {"name": line})
    if not invoice.address:
        # No retry helps. The job becomes a dead letter, until somebody has corrected the run.
        raise PermanentError(_("{0} has no address. Add it to {1}, then retry.").format(customer, run))
    rows = [customer, *invoice.address.splitlines(), fmt_money(invoice.amount)]
    text = "".join(f"<p>{escape_html(row)}</p>" for row in rows)
    values = {"file_name": f"{line}.html", "content": text, "is_private": 1}
    attached = {"attached_to_doctype": "Invoice Run", "attached_to_name": run}
    file = frappe.get_doc({"doctype": "File", **values, **attached}).insert()
    invoice.db_set("invoice", file.file_url)
    return {"output_reference": file.file_url, "amount": invoice.amount}


def note_failure(event: str, job_id: str, **details: str) -> None:
    """Tell in the run's timeline which invoice was not printed. `background_job_events` in hooks.py names this."""
    invoice = get_job_details(job_id)["parameters"]
    text = _("The invoice for {0} was not printed.").format(invoice["customer"])
    frappe.get_doc("Invoice Run", invoice["run"]).add_comment("Info", text)


@job_handler("close_run", title="Close {run}", deduplication="Never")
def close_run(context: JobContext, run: str) -> dict[str, int | float]:
    """Close a run whose invoices are printed. Returns how many there are, and their total."""
    printed = context.parent_results.values()
    frappe.get_doc("Invoice Run", run).db_set("status", "Closed")
    return {"invoices": len(printed), "total": sum(invoice["amount"] for invoice in printed)}


@job_handler("begin_run", title="Next run", max_retries=0)
def begin_run(context: JobContext) -> dict[str, str] | None:
    """Make a draft of the next month's run with the customers of the last one, for a schedule."""
    about = {"organization": context.organization, "docstatus": 1}
    names = frappe.get_list("Invoice Run", about, pluck="name", order_by="invoice_date desc", limit=1)
    if not names:
        return None
    last = frappe.get_doc("Invoice Run", names[0])
    date = add_months(getdate(last.invoice_date), 1)
    values = {"title": date.strftime("%B %Y"), "invoice_date": date, "organization": last.organization}
    lines = [{field: line.get(field) for field in ("customer", "address", "amount")} for line in last.lines]
    draft = frappe.get_doc({"doctype": "Invoice Run", **values, "lines": lines}).insert()
    return {"output_reference": draft.name}
