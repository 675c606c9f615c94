// Frappe runs this before it shows anything of the DocType. See public/js/jobs/plain_text.js.
dartwing_core.jobs.show_as_text("Job Batch");
// The title of a row is not asked of the field: Frappe takes all that looks like HTML out of it.
frappe.listview_settings["Job Batch"] = { formatters: { description: dartwing_core.jobs.as_text } };
