frappe.provide("frappe.dashboards.chart_sources");

frappe.dashboards.chart_sources["Background Job Figures"] = {
	method: "dartwing_core.api.desk.get_chart",
	filters: [],
};
