frappe.query_reports["Failed Jobs by Error"] = {
	filters: [
		{
			fieldname: "organization",
			label: __("Organization"),
			fieldtype: "Link",
			options: dartwing_core.jobs.organization_doctype(),
		},
		{ fieldname: "job_type", label: __("Job Type"), fieldtype: "Link", options: "Job Type" },
	],
	onload(report) {
		report.page.add_inner_button(__("Retry Selected"), () => dartwing_core.jobs.retry_by_error(report));
	},
	formatter: (value, row, column, data, default_formatter) =>
		column.fieldname === "error" ? dartwing_core.jobs.as_text(value) : default_formatter(value, row, column, data),
	get_datatable_options: (options) => ({ ...options, checkboxColumn: true }),
};
