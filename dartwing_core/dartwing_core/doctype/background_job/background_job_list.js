// Frappe runs this before it shows anything of the DocType. See public/js/jobs/job_list.js and plain_text.js.
frappe.listview_settings["Background Job"] = dartwing_core.jobs.job_list_settings();
dartwing_core.jobs.show_as_text("Background Job");
