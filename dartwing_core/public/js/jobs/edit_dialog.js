// The dialog in which a user changes the parameters of a failed job and retries it.
import { done, parse } from "./actions";
import { write } from "./api";
import { one_at_a_time } from "./dom";
import { edited_parameters, fields_of, values_of } from "./schema_fields";

/** Show the job's parameters: in a field each, if its type's schema knows them all, else as JSON. */
export function edit_and_retry(job) {
	return new Promise((resolve) => {
		let is_done = false;
		const stored = job.parameters ?? {};
		const own = fields_of(job.schema ?? {}).map((field) => with_note(field, stored));
		const shown = own.length ? values_of(own, stored) : null;
		const raw = { fieldname: "_parameters", fieldtype: "Code", options: "JSON", label: __("Parameters"), reqd: 1 };
		const dialog = new frappe.ui.Dialog({
			title: __("Edit parameters and retry"),
			size: shown ? null : "large",
			fields: shown ? own : [raw],
			primary_action_label: __("Retry"),
			primary_action: one_at_a_time(async (values) => {
				const parameters = shown ? edited_parameters(own, before, values, stored) : parse(values._parameters);
				if (!parameters) return;
				const request = write("retry_job", { job_id: job.job_id, parameters });
				is_done = await done(request, __("Queued again."), __("Could not retry the job"));
				if (is_done) dialog.hide();
			}),
		});
		let before = {};
		dialog.onhide = () => resolve(is_done);
		dialog.set_values(shown ?? { _parameters: JSON.stringify(stored, null, 2) }).then(() => {
			before = dialog.get_values(true);
		});
		dialog.show();
	});
}

/** The field; that of a stored secret, which shows dots, with the rule of `retry_job`. */
function with_note(field, stored) {
	if (field.fieldtype !== "Password" || stored[field.fieldname] == null) return field;
	const note = __("Leave the dots to keep it. To change another parameter, enter it again.");
	return { ...field, description: [field.description, note].filter(Boolean).join("<br>") };
}
