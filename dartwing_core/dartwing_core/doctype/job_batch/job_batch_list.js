// Frappe runs this before it shows anything of the DocType. See public/js/jobs/plain_text.js.
dartwing_core.jobs.show_as_text("Job Batch");
// Frappe does not call the formatter for the title of a row: it removes everything that looks like HTML there.
frappe.listview_settings["Job Batch"] = { formatters: { description: dartwing_core.jobs.as_text } };
