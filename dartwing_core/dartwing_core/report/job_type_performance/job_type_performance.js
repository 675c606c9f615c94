frappe.query_reports["Job Type Performance"] = {
	filters: [
		{
			fieldname: "organization",
			label: __("Organization"),
			fieldtype: "Link",
			options: dartwing_core.jobs.organization_doctype(),
		},
		{
			fieldname: "hours",
			label: __("Ended"),
			fieldtype: "Select",
			// A filter with a value shows no label, so each option says what it means.
			options: [
				{ value: "1", label: __("Last hour") },
				{ value: "24", label: __("Last 24 hours") },
				{ value: "168", label: __("Last 7 days") },
				{ value: "720", label: __("Last 30 days") },
			],
			default: "24",
			reqd: 1,
		},
	],
};
