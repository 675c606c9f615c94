// The form of an Organization: figures and the latest jobs, a cancel of all, and its deletion.
import { confirmed, tell, tell_error } from "./actions";
import { read, write } from "./api";
import { button, make } from "./dom";
import { Overview, figures, job_table, lists } from "./overview";
import { set_paused } from "./type_form";

const LATEST = 10;
const MOST = 10_000; // of a count

/** Set up the form of an Organization: figures of its jobs that the user may see, pause, and a cancel of all. */
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
		const what = [schedules.total, await members, jobs.total];
		const text = __(
			"Delete {0} with its {1} schedules and {2} members? None of its {3} jobs runs any more, and its members do not see them. This can't be undone.",
			[frm.doc.org_name, ...what]
		);
		if (!(await confirmed(text))) return;
	} catch (error) {
		tell_error(error, __("Could not delete the organization"));
		return;
	}
	await frappe.xcall("frappe.client.delete", { doctype: frm.doctype, name: organization });
	frappe.model.clear_doc(frm.doctype, organization);
	frappe.set_route("List", frm.doctype);
}

/** Ask before a cancel of all jobs, or of those that wait, by a count of this moment. */
async function cancel_all(frm, only_waiting) {
	const organization = frm.docname;
	try {
		const asked = number_of(await read("get_job_counts", { organization }), only_waiting);
		const values = [asked < MOST ? asked : `${MOST}+`, frm.doc.org_name];
		const text = only_waiting
			? __("Cancel {0} waiting jobs of {1}? They will not run.", values)
			: __("Cancel all {0} unfinished jobs of {1}? Those that run stop as soon as they can.", values);
		if (!(await confirmed(text))) return;
		const answer = await write("cancel_all_jobs", { organization, only_waiting });
		tell(said_of(answer, asked, only_waiting), answer.left ? "orange" : "green");
	} catch (error) {
		tell_error(error, __("Could not cancel the jobs"));
	}
	frm.organization_page.open();
}

const number_of = (counts, only_waiting) => counts.waiting + counts.retrying + (only_waiting ? 0 : counts.running);

function said_of({ canceled, stopping, left }, asked, only_waiting) {
	const gone = Math.max(asked - canceled - stopping - left, 0);
	const parts = [
		canceled === 1 ? __("1 job canceled") : __("{0} jobs canceled", [canceled]),
		stopping && __("{0} stopping", [stopping]),
		gone && (only_waiting ? __("{0} had already started or finished", [gone]) : __("{0} had already finished", [gone])),
		left && __("{0} left: cancel again", [left]),
	];
	return `${parts.filter(Boolean).join(", ")}.`;
}

const render = (frm) => (found) => {
	const { is_paused } = frm.doc;
	const buttons = [];
	if (frm.perm[0]?.write) {
		buttons.push(button(is_paused ? __("Resume jobs") : __("Pause jobs"), () => set_paused(frm, !is_paused)));
	}
	if (number_of(found, true)) buttons.push(button(__("Cancel all waiting"), () => cancel_all(frm, true)));
	if (found.running) buttons.push(button(__("Cancel all"), () => cancel_all(frm, false)));
	return [
		buttons.length > 0 && make("div", { class: "dw-row" }, buttons),
		is_paused && make("p", { class: "text-muted" }, __("Paused: new jobs are accepted, and wait.")),
		figures([
			[__("Running"), found.running],
			[__("Waiting"), found.waiting],
			[__("Retrying"), found.retrying],
			[__("Failed today"), found.failed_today, found.failed_today ? "bad" : ""],
			[__("Failed"), found.dead_letter, found.dead_letter ? "bad" : ""],
		]),
		make("h4", {}, __("Latest jobs")),
		job_table(found.jobs, { with_type: true }),
		lists([
			[__("All jobs"), "Background Job", { organization: found.organization }],
			[__("Members"), "Org Member", { organization: found.organization }],
		]),
	];
};
