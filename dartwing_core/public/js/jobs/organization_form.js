// The form of an Organization: figures and the latest jobs, and its removal.
import { confirmed, tell_error } from "./actions";
import { read } from "./api";
import { button, make } from "./dom";
import { Overview, figures, job_table, lists } from "./overview";
import { set_paused } from "./type_form";

const LATEST = 10;

/** Set up the form of an Organization: figures of its jobs that the user may see, and pause. */
export function setup_organization_form() {
	frappe.ui.form.on("Organization", {
		refresh(frm) {
			frm.organization_page ??= new Overview(frm, ask, render(frm));
			frm.organization_page.open();
			frm.savetrash = () => remove(frm);
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

/** Ask before a deletion. Frappe's own question does not name what is deleted with an organization. */
async function remove(frm) {
	const organization = frm.docname;
	const members = frappe.db.count("Org Member", { filters: { organization } });
	try {
		const [jobs, schedules] = await Promise.all([
			read("list_jobs", { organization, limit: 1 }),
			read("list_schedules", { organization, limit: 1 }),
		]);
		const what = [jobs.total, schedules.total, await members];
		const text = __(
			"Delete {0} with its {1} jobs, their results and files, {2} schedules and {3} members? Running jobs are stopped. This can't be undone.",
			[frm.doc.org_name, ...what]
		);
		if (!(await confirmed(text))) return;
	} catch (error) {
		tell_error(error);
		return;
	}
	await frappe.xcall("frappe.client.delete", { doctype: frm.doctype, name: organization });
	frappe.model.clear_doc(frm.doctype, organization);
	frappe.set_route("List", frm.doctype);
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
