frappe.query_reports["Job Type Performance"] = {
	filters: [
		{ fieldname: "organization", label: __("Organization"), fieldtype: "Link", options: "Organization" },
		{ fieldname: "hours", label: __("Submitted in the Last Hours"), fieldtype: "Int", default: 24, reqd: 1 },
	],
};
