// The dialog in which a user enters the parameters of a job and submits it.
import { write } from "./api";
import { parse, tell_error, tell_submitted } from "./actions";
import { one_at_a_time } from "./dom";
import { organization_doctype, own_organization } from "./organization_links";
import { fields_of, parameters_of } from "./schema_fields";

/** Show a dialog for the parameters of a job of this type, submit the job, and call `on_submitted(job_id)`. */
export async function run_dialog({ job_type, display_name, schema }, on_submitted) {
	const organization = await own_organization();
	const own = schema ? fields_of(schema) : [];
	const raw = { fieldname: "_parameters", fieldtype: "Code", options: "JSON", label: __("Parameters"), default: "{}" };
	const dialog = new frappe.ui.Dialog({
		title: __("Run {0}", [frappe.utils.escape_html(__(display_name))]),
		fields: [
			...head(organization),
			{ fieldtype: "Section Break", label: __("Parameters") },
			...(own.length ? own : [raw]),
		],
		primary_action_label: __("Run"),
		primary_action: one_at_a_time(async (values) => {
			const parameters = own.length ? parameters_of(own, values) : parse(values._parameters);
			if (parameters && (await submit(request_of(job_type, values, parameters), on_submitted))) dialog.hide();
		}),
	});
	dialog.show();
	return dialog;
}

function head(organization) {
	return [
		{
			fieldname: "_organization",
			fieldtype: "Link",
			options: organization_doctype(),
			label: __("Organization"),
			reqd: 1,
			default: organization,
		},
		{ fieldtype: "Column Break" },
		{
			fieldname: "_priority",
			fieldtype: "Select",
			label: __("Priority"),
			options: ["", "Low", "Normal", "High", "Critical"].join("\n"),
			description: __("Empty: the priority of the Job Type"),
		},
		{ fieldname: "_available_at", fieldtype: "Datetime", label: __("Not Before") },
	];
}

function request_of(job_type, { _organization, _priority, _available_at }, parameters) {
	const request = { job_type, organization: _organization, parameters };
	if (_priority) request.priority = _priority;
	if (_available_at) request.available_at = _available_at;
	return request;
}

async function submit(request, on_submitted) {
	try {
		const { job_id } = await write("submit_job", request);
		tell_submitted(job_id);
		on_submitted(job_id);
		return true;
	} catch (error) {
		tell_error(error, __("Could not submit the job"));
		return false;
	}
}
