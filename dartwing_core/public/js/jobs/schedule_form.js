// The form of a Job Schedule: its next runs, its latest jobs, and a run at once.
import { confirmed, tell_error, tell_submitted } from "./actions";
import { is_outdated, read, write } from "./api";
import { button, make, time } from "./dom";
import { own_organization } from "./organization_links";
import { Overview, job_table, lists } from "./overview";

const LATEST = 5;
const WHEN = ["frequency", "cron", "every", "every_unit", "time_zone"];
const SOON = 400; // milliseconds after a key

/** Set up the form of a Job Schedule: its next runs, also before a save, its latest jobs, and a run at once. */
export function setup_schedule_form() {
	const preview = frappe.utils.debounce(show_preview, SOON);
	frappe.ui.form.on("Job Schedule", {
		onload: prefill,
		refresh(frm) {
			frm.schedule_page ??= new Overview(frm, ask, render(frm));
			frm.schedule_page.open();
			if (frm.is_new()) preview(frm);
		},
		on_hide: (frm) => frm.schedule_page?.close(),
		...Object.fromEntries(WHEN.map((field) => [field, preview])),
	});
}

async function prefill(frm) {
	if (!frm.is_new() || frm.doc.organization) return;
	const organization = await own_organization();
	if (organization && frm.is_new() && !frm.doc.organization) frm.set_value("organization", organization);
}

async function ask(schedule_id) {
	const [schedule, { jobs }] = await Promise.all([
		read("get_schedule", { schedule_id }),
		read("list_jobs", { schedule: schedule_id, limit: LATEST }),
	]);
	return { ...schedule, jobs };
}

const render = (frm) => (schedule) => [
	make("div", { class: "dw-row" }, button(__("Run once now"), () => run_now(frm), "primary")),
	schedule.last_error && make("div", { class: "dw-error" }, `${__("Last error")}: ${schedule.last_error}`),
	schedule.enabled ? next_runs(schedule.next_runs) : make("p", { class: "text-muted" }, __("Disabled: nothing is due.")),
	make("h4", {}, __("Latest jobs")),
	job_table(schedule.jobs),
	lists([[__("All jobs of the schedule"), "Background Job", { schedule_run: runs_of(schedule.schedule_id) }]]),
];

/** The list's filter for the jobs of a schedule, as links hold it. */
const runs_of = (schedule_id) => JSON.stringify(["like", `${schedule_id}@%`]);

function next_runs(moments) {
	const items = moments.map((moment) => make("li", {}, time(moment)));
	return make("div", { class: "dw-next" }, make("h4", {}, __("Next runs")), make("ul", {}, items));
}

/** Whether the form has enough values for a preview. */
function says_when({ frequency, cron, every, every_unit }) {
	return frequency === "Interval" ? every > 0 && Boolean(every_unit) : Boolean(cron);
}

/** The next due times by the form's present values, or why they can't be saved. */
async function show_preview(frm) {
	if (!frm.is_new() && !frm.is_dirty()) return;
	const values = Object.fromEntries(WHEN.map((field) => [field, frm.doc[field]]));
	const show = (part) => {
		const { body } = frm.schedule_page;
		body.querySelector(".dw-next")?.remove();
		if (part) body.prepend(part);
	};
	if (!says_when(values)) {
		show(null);
		return;
	}
	try {
		const { next_runs: moments } = await read("preview_schedule", values);
		show(next_runs(moments));
	} catch (error) {
		if (!error.kind) throw error;
		show(no_runs(error.message));
	}
}

const no_runs = (reason) => make("div", { class: "dw-next" }, make("p", { class: "text-muted" }, reason));

async function run_now(frm) {
	if (!(await confirmed(__("Submit its job once more now, beside its due times?")))) return;
	try {
		const { job_id } = await write("run_schedule_now", { schedule_id: frm.docname });
		tell_submitted(job_id);
	} catch (error) {
		tell_error(error, __("Could not submit the job"));
		if (!is_outdated(error)) return;
	}
	frm.schedule_page.open();
}
