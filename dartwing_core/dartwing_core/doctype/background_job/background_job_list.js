// See public/js/jobs/job_list.js.
frappe.listview_settings["Background Job"] = dartwing_core.jobs.job_list_settings();
