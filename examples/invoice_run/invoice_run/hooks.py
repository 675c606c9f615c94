app_name = "invoice_run"
app_title = "Invoice Run"
app_publisher = "Example"
app_description = "Prints the invoices of a month by background jobs"
app_license = "MIT"

background_job_handlers = ["invoice_run.jobs"]
background_job_events = {"print_invoice": {"dead_letter": ["invoice_run.jobs.note_failure"]}}
