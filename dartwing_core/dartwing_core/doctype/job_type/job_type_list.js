// Frappe runs this before it shows anything of the DocType. See public/js/jobs/plain_text.js.
dartwing_core.jobs.show_as_text("Job Type");
