import { read } from "./api";
import { button, make } from "./dom";
import { Overview, figures, job_table, lists } from "./overview";
import { set_paused } from "./type_form";

const LATEST = 10;

/** The form of an Organization: what its jobs do, as far as the user may see them; pause. */
export function setup_organization_form() {
	frappe.ui.form.on("Organization", {
		refresh(frm) {
			frm.organization_page ??= new Overview(frm, ask, render(frm));
			frm.organization_page.open();
		},
		on_hide: (frm) => frm.organization_page?.close(),
	});
}

async function ask(organization) {
	const [counts, { jobs }] = await Promise.all([
		read("get_job_counts", { organization }),
		read("list_jobs", { organization, limit: LATEST }),
	]);
	return { organization, ...counts, jobs };
}

const render = (frm) => (found) => {
	const { is_paused } = frm.doc;
	const may_pause = frm.perm[0]?.write;
	const label = is_paused ? __("Resume jobs") : __("Pause jobs");
	return [
		may_pause && make("div", { class: "dw-row" }, button(label, () => set_paused(frm, !is_paused))),
		figures([
			[__("Running"), found.running],
			[__("Waiting"), found.waiting],
			[__("Failed today"), found.failed_today, found.failed_today ? "bad" : ""],
			[__("Dead letters"), found.dead_letter, found.dead_letter ? "bad" : ""],
		]),
		make("h4", {}, __("Latest jobs")),
		job_table(found.jobs, { with_type: true }),
		lists([
			[__("All jobs"), "Background Job", { organization: found.organization }],
			[__("Members"), "Org Member", { organization: found.organization }],
		]),
	];
};
