"""Handlers for `./dev serve` and `./dev demo`: what two small companies might run in the background."""

from __future__ import annotations

import time

import frappe

from dartwing_core.jobs import JobContext, PermanentError, TransientError, job_handler

WITHOUT_ADDRESS = "Quay Street School"
"""A customer whose statement can't be sent, so that there is a dead letter to look at."""
LONGEST = 60
NEXT_TRY = 240
"""Seconds until a failed job is tried again, so that there is one to look at."""
HANGS = 3_600


@job_handler(
    "shop_statement", title="Statement for {customer}", max_retries=2, retry_delays=[5, 10], deduplication="never"
)
def shop_statement(context: JobContext, customer: str) -> dict[str, str]:
    """Sends a customer their statement."""
    context.update_progress(30, "Rendering")
    time.sleep(1)
    if customer == WITHOUT_ADDRESS:
        raise PermanentError(f"{customer} has no e-mail address. Add one, then retry the job.")
    context.update_progress(80, "Sending")
    time.sleep(1)
    return {"sent_to": customer}


@job_handler("shop_prices", title="Prices of {supplier}", priority="Low", timeout=120, deduplication="never")
def shop_prices(context: JobContext, supplier: str, pages: int = 10) -> dict[str, object]:
    """Imports a supplier's price list, page by page, and attaches what was imported."""
    context.set_steps(["Download", "Import", "Report"])
    context.next_step()
    for page in range(1, min(pages, LONGEST) + 1):
        context.update_progress(100 * page / pages, f"Page {page} of {pages}")
        time.sleep(0.5)
    context.next_step()
    lines = [f"{supplier} no. {number},{number * 3 % 47}.90" for number in range(1, pages * 20)]
    file = context.attach("\n".join(["article,price", *lines]), f"{supplier}.csv")
    return {"output_reference": file.file_url, "rows": len(lines)}


@job_handler(
    "shop_delivery_note", title="Delivery note {number}", max_retries=3, retry_delays=[NEXT_TRY], deduplication="never"
)
def shop_delivery_note(context: JobContext, number: int) -> dict[str, int]:
    """Reads a scanned delivery note. The scanner of every third one answers only the second time."""
    time.sleep(0.5)
    if number % 3 == 0 and context.attempt == 1:
        raise TransientError("The scanner did not answer.")
    return {"number": number, "lines": number % 7 + 1}


@job_handler("shop_invoice", title="Invoice {number}", max_retries=0)
def shop_invoice(context: JobContext, number: int) -> None:
    """Writes an invoice, and works on it for two seconds."""
    frappe.get_doc({"doctype": "ToDo", "description": f"Invoice {number}"}).insert(ignore_permissions=True)
    for step in range(1, 21):
        time.sleep(0.1)
        context.update_progress(5 * step, f"Page {step}")


@job_handler(
    "shop_stock_count",
    title="Stock of {shelf}",
    timeout=5,
    max_retries=1,
    retry_delays=[NEXT_TRY],
    deduplication="never",
)
def shop_stock_count(context: JobContext, shelf: str) -> dict[str, str]:
    """Counts what is on a shelf. The scale hangs the first time, until the time limit ends the attempt."""
    context.update_progress(50, "Waiting for the scale")
    if context.attempt == 1:
        time.sleep(HANGS)
    return {"shelf": shelf}


@job_handler("shop_newsletter", title="Newsletter", deduplication="never")
def shop_newsletter(context: JobContext) -> dict[str, int]:
    """Sends the newsletter. The site pauses this Job Type, so its jobs stay in line."""
    context.update_progress(50, "Sending")
    return {"sent": 0}
