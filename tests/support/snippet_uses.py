"""What somebody does next with what a Python snippet of the documents defines."""

from __future__ import annotations

import types
import unittest
from typing import Any

import frappe

from dartwing_core.jobs import open_file, submit_job
from dartwing_core.jobs.testing import run_jobs
from dartwing_core.jobs.types import declared_types, handlers
from tests.support import contents, factory, mail
from tests.support.jobs import run, submitted
from tests.support.sessions import as_user

MODULE = "your_app.jobs"
CUSTOMER, STATEMENT = "Customer", "test_send_statement"


class Invoice:
    """A document of some app, with what the examples read of it."""

    def __init__(self, name: str, customer: str, job_type: str = "echo_job"):
        self.name, self.customer, self.organization, self.job_type = name, customer, factory.ALPHA, job_type

    def submit(self) -> None:
        """Submit a job about the invoice's customer."""
        submit_job(self.job_type, self.organization, {"customer": self.customer})


def add_customer(**values: Any) -> str:
    """A new Customer, committed; its name."""
    name = frappe.get_doc({"doctype": CUSTOMER, **values}).insert(ignore_permissions=True).name
    frappe.db.commit()
    return name


def send_statements(app: types.ModuleType) -> None:
    """To a customer without an address, and to one who has it."""
    frappe.delete_doc("Job Type", STATEMENT, force=True)
    assert declared_types.sync_types().made == [STATEMENT]
    frappe.db.set_value("Job Type", STATEMENT, "deduplication_window", 300)
    frappe.db.commit()
    assert run(submitted(STATEMENT, customer=add_customer()))["error_message"] == "No e-mail address yet"
    vars(app)["customer"] = add_customer(email_id="ann@example.com")
    with mail.outgoing_account():
        done = run(submitted(STATEMENT, customer=app.customer))
    assert (done["status"], done["output_reference"]) == ("Completed", app.customer)


def submit_two_invoices(app: types.ModuleType) -> None:
    """The second document of a customer comes when the job of the first has just completed."""
    for name in ("INV-1", "INV-2"):
        app.on_submit(Invoice(name, app.customer))
        frappe.db.commit()
        with mail.outgoing_account():
            assert "Completed" in run_jobs().values(), name


def note_failure(app: types.ModuleType) -> None:
    """As a worker calls it. `test_event_jobs.py` has the engine make such calls."""
    details = {"job_type": STATEMENT, "organization": factory.ALPHA, "owner_user": "Administrator"}
    app.note_failure(event="dead_letter", job_id="JOB-1", **details)
    assert frappe.db.exists("ToDo", {"description": "The statement was not sent: see job JOB-1"})


def run_their_test(app: types.ModuleType) -> None:
    """Run the test that the snippet shows, after an invoice has a job."""
    vars(app)["invoice"] = Invoice("INV-9", "Ann")
    run_jobs()
    app.test_a_statement_is_sent(unittest.TestCase())


def run_their_trap(app: types.ModuleType) -> None:
    """Run the test that the snippet shows, with a Job Type of that name."""
    frappe.copy_doc(frappe.get_doc("Job Type", "echo_job")).update({"type_name": "send_statement"}).insert()
    vars(app)["invoice"] = Invoice("INV-10", "Ann", "send_statement")
    app.test_a_statement_is_submitted(unittest.TestCase())
    frappe.db.rollback()


def retry_in_their_test(app: types.ModuleType) -> None:
    """Run the test that the snippet shows, for one more invoice."""
    vars(app)["invoice"] = Invoice("INV-13", "Cid")
    app.test_a_statement_is_tried_again(unittest.TestCase())
    frappe.db.rollback()


def perform_in_their_test(app: types.ModuleType) -> None:
    """Run the test that the snippet shows, for another invoice."""
    vars(app)["invoice"] = Invoice("INV-12", "Bea")
    app.test_a_statement_is_performed(unittest.TestCase())
    frappe.db.rollback()


def send_by_event(app: types.ModuleType) -> None:
    """Call the function of a document's event."""
    app.send(Invoice("INV-13", "Ann"), "on_submit")
    (name,) = frappe.get_all("Background Job", {"job_type": "test_send_invoice"}, pluck="name")
    assert contents.parameters(name) == {"customer": "Ann"}


def send_by_class(app: types.ModuleType) -> None:
    """Run a job whose handler is the class of the snippet."""
    path = f"{MODULE}.SendInvoice"
    job_type = factory.job_type("by_class", path, timeout_handler_method=f"{path}.on_timeout")
    done = run(submitted(job_type, customer="Ann"))
    assert done["status"] == "Completed", done["error_message"]


def ask_for_schema(app: types.ModuleType) -> None:
    """The dialog has a field for each of the handler's parameters."""
    schema = handlers.parameters_schema(f"{MODULE}.send_statement")
    assert schema is not None
    assert list(schema["properties"]) == ["customer", "language", "with_items", "note"]


def run_with_nothing_to_do(app: types.ModuleType) -> None:
    """Run the handler of the snippet where it finds no invoices."""
    done = run(submitted(factory.job_type("nothing_to_do", f"{MODULE}.import_invoices"), since="2026-01-31"))
    assert done["status"] == "Completed"


def push(app: types.ModuleType) -> None:
    """Run the handler of the snippet. Its secret is not in the row of the job."""
    given = {"shop": "Berlin", "token": "a-token-of-the-shop"}
    job = submitted(factory.job_type("push", f"{MODULE}.push_orders"), **given)
    assert given["token"] not in str(contents.stored(job.name, "input_parameters"))
    done = run(job)
    assert done["status"] == "Completed", done["error_message"]


def remind(app: types.ModuleType) -> None:
    """Run the handler of the snippet with all of its parameters."""
    done = run(submitted(factory.job_type("remind", f"{MODULE}.send_reminder"), customer="Ann", level=2))
    assert done["status"] == "Completed", done["error_message"]


def list_reminders(app: types.ModuleType) -> None:
    """Run the handler of the snippet. Its result is a file."""
    done = run(submitted(factory.job_type("list_reminders", f"{MODULE}.list_reminders"), customers=["Bea", "Ann"]))
    assert done["output_url"] == done["output_reference"]
    with open_file(done["job_id"], "reminders.txt") as file:
        assert file.read() == b"Ann\nBea"


def write_statement(app: types.ModuleType) -> None:
    """Run the handler of the snippet. Its result is a File of a customer."""
    customer = frappe.get_doc({"doctype": CUSTOMER, "name": "Test Ann", "customer_name": "Test Ann"})
    customer.insert(ignore_if_duplicate=True, ignore_mandatory=True)
    done = run(submitted(factory.job_type("statement", f"{MODULE}.write_statement"), customer=customer.name))
    file = frappe.get_doc("File", {"file_url": done["output_reference"]})
    assert file.get_content() == f"Statement for {customer.name}"
    assert (file.attached_to_name, done["output_url"]) == (customer.name, file.file_url)
    file.delete()
    customer.delete()


def enqueue_reminder(app: types.ModuleType) -> None:
    """Call the `enqueue` of the snippet as a user, and run the job."""
    user = factory.user("moves", factory.ALPHA, roles=("Dartwing User", "System Manager"))
    frappe.db.commit()
    made = as_user(user, lambda: app.enqueue(app.send_reminder, customer="Ann"))
    frappe.db.commit()
    done = run(made)
    assert done["status"] == "Completed", done["error_message"]
    assert frappe.db.exists("ToDo", {"description": "Remind Ann, level 1", "owner": user})


def enqueue_on_submit(app: types.ModuleType) -> None:
    """Call the snippet's function of the document's event as a user, and run the job."""
    user = factory.user("moves", factory.ALPHA, roles=("Dartwing User", "System Manager"))
    as_user(user, lambda: app.on_submit(Invoice("INV-11", "Ann")))
    frappe.db.commit()
    assert "Completed" in run_jobs(raising=True).values()


def import_with_progress(app: types.ModuleType) -> None:
    """Enqueue the function of the snippet, run its job, and call it outside of jobs."""
    user = factory.user("moves", factory.ALPHA, roles=("Dartwing User", "System Manager"))
    made = as_user(user, lambda: app.enqueue(app.import_rows, rows=["a", "b"]))
    frappe.db.commit()
    done = run(made)
    assert (done["status"], done["progress"]) == ("Completed", 100)
    app.import_rows(["outside of jobs"])


def count_words(app: types.ModuleType) -> None:
    """Declare the Job Type of the snippet, and run a job of it."""
    frappe.delete_doc("Job Type", "test_count_words", force=True)
    assert declared_types.sync_types().made == ["test_count_words"]
    done = run(submitted("test_count_words", text="one two"))
    assert done["status"] == "Completed", done["error_message"]


def count_words_in_their_test(app: types.ModuleType) -> None:
    """Run the test that the snippet shows."""
    app.test_words_are_counted()
    frappe.db.rollback()


USES = {
    ("Handler, submit, watch", "send_statement"): send_statements,
    ("Handler, submit, watch", "on_submit"): submit_two_invoices,
    ("Events of jobs", "note_failure"): note_failure,
    ("In your app's tests", "test_a_statement_is_sent"): run_their_test,
    ("In your app's tests", "test_a_statement_is_performed"): perform_in_their_test,
    ("In your app's tests", "test_a_statement_is_tried_again"): retry_in_their_test,
    ("Events of documents", "send"): send_by_event,
    ("Classes", "SendInvoice"): send_by_class,
    ("In your app's tests", "test_a_statement_is_submitted"): run_their_trap,
    ("Writing handlers", "import_invoices"): run_with_nothing_to_do,
    ("By the handler", "import_invoices"): run_with_nothing_to_do,
    ("One object", "send_reminder"): remind,
    ("Secrets", "push_orders"): push,
    ("Results", "list_reminders"): list_reminders,
    ("Results", "write_statement"): write_statement,
    ("Trying a handler", "count_words"): count_words,
    ("Trying a handler", "test_words_are_counted"): count_words_in_their_test,
    ("From `frappe.enqueue`", "send_reminder"): enqueue_reminder,
    ("From `frappe.enqueue`", "on_submit"): enqueue_on_submit,
    ("From `frappe.enqueue`", "import_rows"): import_with_progress,
    ("The dialog that runs a job", "send_statement"): ask_for_schema,
}
"""What somebody does next with what a snippet defines, by the heading above it."""
