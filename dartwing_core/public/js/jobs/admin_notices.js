// Messages that admins of an organization see anywhere in Desk.
import { tell } from "./actions";

const CIRCUITS = {
	Open: (job_type, organization) => [
		__("Jobs of type {0} keep failing in {1}. They do not start for a while.", [job_type, organization]),
		"orange",
	],
	Closed: (job_type, organization) => [__("Jobs of type {0} run again in {1}.", [job_type, organization]), "green"],
};

export function setup_admin_notices() {
	$(document).on("app_ready", () => {
		frappe.realtime.on("job_limit_warning", ({ organization_name, max_waiting }) => {
			tell(__("More than {0} jobs of {1} are waiting.", [max_waiting, organization_name]), "orange");
		});
		frappe.realtime.on("job_circuit_changed", ({ job_type, organization_name, status }) => {
			const notice = CIRCUITS[status]?.(job_type, organization_name);
			if (notice) tell(...notice);
		});
	});
}
