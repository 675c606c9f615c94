// The form of a Job Type: figures and circuits of its jobs, run and pause.
import { confirmed, tell, tell_error } from "./actions";
import { is_outdated, read, write } from "./api";
import { button, link, make, time } from "./dom";
import { Overview, figures, job_table, lists, percent, seconds } from "./overview";
import { run_dialog } from "./run_dialog";

/** Set up the form of a Job Type: run a job, figures of its jobs, pause. */
export function setup_type_form() {
	frappe.ui.form.on("Job Type", {
		refresh(frm) {
			frm.type_page ??= new Overview(frm, (job_type) => read("get_job_type_overview", { job_type }), render(frm));
			frm.type_page.open();
		},
		on_hide: (frm) => frm.type_page?.close(),
	});
}

const render = (frm) => (type) => [
	make("div", { class: "dw-row" }, ...buttons(frm, type)),
	type.is_paused && make("p", { class: "text-muted" }, __("Paused: new jobs are accepted, and wait.")),
	...type.differences_from_code.map(({ label, here, code }) =>
		make("p", { class: "text-muted" }, __("Changed here: {0} is {1}, in code {2}.", [label, here || "–", code || "–"]))
	),
	figures(rows_of(type.figures)),
	type.circuits.length > 0 && make("h4", {}, __("Circuits that stop jobs")),
	...type.circuits.map((circuit) => circuit_row(frm, circuit)),
	make("h4", {}, __("Latest jobs")),
	job_table(type.recent),
	lists([
		[__("All jobs"), "Background Job", { job_type: type.job_type }],
		[__("Failed jobs"), "Background Job", { job_type: type.job_type, status: "Dead Letter" }],
	]),
];

function circuit_row(frm, { job_type, organization, organization_name, status, open_until, probe_job }) {
	const row = make("div", { class: "dw-row dw-circuit" }, make("strong", {}, organization_name));
	row.append(make("span", { class: `indicator-pill ${status === "Open" ? "red" : "orange"}` }, __(status)));
	if (status === "Open" && open_until) row.append(make("span", {}, __("until"), " "), time(open_until));
	if (probe_job) row.append(__("tried by"), link("Background Job", probe_job));
	row.append(button(__("Close"), () => close_circuit(frm, organization_name, { job_type, organization })));
	return row;
}

async function close_circuit(frm, organization_name, circuit) {
	if (!(await confirmed(__("Let the jobs of {0} go on now?", [organization_name])))) return;
	try {
		tell((await write("manually_close_circuit", circuit)).message);
	} catch (error) {
		tell_error(error, __("Could not close the circuit"));
		if (!is_outdated(error)) return;
	}
	frm.type_page.open();
}

function rows_of(found) {
	return [
		[__("Running"), found.running],
		[__("Waiting"), found.waiting],
		[__("Failed"), found.dead_letter, found.dead_letter ? "bad" : ""],
		[__("Ended in {0} h", [found.hours]), found.count],
		[__("Failure rate"), percent(found.failure_rate), found.failure_rate > 0.5 ? "bad" : ""],
		[__("Average"), seconds(found.average_seconds)],
		[__("95th percentile"), seconds(found.p95_seconds)],
	];
}

function buttons(frm, type) {
	const found = [];
	if (type.can_run) found.push(button(__("Run"), () => run_dialog(type, () => frm.type_page.open()), "primary"));
	if (type.can_change) {
		const label = type.is_paused ? __("Resume") : __("Pause");
		found.push(button(label, () => set_paused(frm, !type.is_paused)));
	}
	return found;
}

/** Save the document: its controller lets waiting jobs start. */
export async function set_paused(frm, is_paused) {
	if (frm.is_dirty()) {
		tell(__("Save your changes first."), "orange");
		return;
	}
	try {
		await frm.set_value("is_paused", is_paused ? 1 : 0);
		await frm.save();
		tell(is_paused ? __("Paused") : __("Resumed"));
	} catch (error) {
		if (error?.kind) tell_error(error);
	}
}
