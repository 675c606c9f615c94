frappe.query_reports["Dead Letters by Error"] = {
	filters: [
		{ fieldname: "organization", label: __("Organization"), fieldtype: "Link", options: "Organization" },
		{ fieldname: "job_type", label: __("Job Type"), fieldtype: "Link", options: "Job Type" },
	],
	onload(report) {
		report.page.add_inner_button(__("Retry Selected"), () => dartwing_core.jobs.retry_by_error(report));
	},
	get_datatable_options: (options) => ({ ...options, checkboxColumn: true }),
};
