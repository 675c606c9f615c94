// Actions on jobs. Each asks for confirmation, and resolves to true when it is done. A refusal is shown.
import { ApiError, write } from "./api";
import { link, make, one_at_a_time } from "./dom";

const plain = (text) => frappe.utils.escape_html(text);

export function tell(text, indicator = "green") {
	frappe.show_alert({ message: plain(text), indicator });
}

/** Show that a job was submitted, with a link to it. */
export function tell_submitted(job_id) {
	const message = link("Background Job", job_id, __("Job submitted")).outerHTML;
	frappe.show_alert({ message, indicator: "green" }, 10);
}

/** Show an error. `title`: what could not be done. */
export function tell_error(error, title = __("This did not work")) {
	if (!error.kind) throw error;
	frappe.msgprint({ title, message: plain(error.message), indicator: "red" });
}

export function confirmed(text) {
	return new Promise((resolve) => {
		frappe.confirm(plain(text), () => resolve(true), () => resolve(false));
	});
}

/** Whether the request was done. Says so, or what could not be done. */
export async function done(request, text, failure) {
	try {
		await request;
		tell(text);
		return true;
	} catch (error) {
		tell_error(error, failure);
		return false;
	}
}

export async function cancel(job) {
	const text =
		job.status === "Running"
			? __("Cancel this job? It is running, and stops as soon as it can.")
			: __("Cancel this job? It will not run.");
	if (!(await confirmed(text))) return false;
	return done(write("cancel_job", { job_id: job.job_id }), __("Canceling."), __("Could not cancel the job"));
}

export async function retry(job) {
	const is_sure = await confirmed(__("Run this job again, with the same parameters?"));
	return is_sure && done(write("retry_job", { job_id: job.job_id }), __("Queued again."), __("Could not retry the job"));
}

export async function run_now(job) {
	const is_sure = await confirmed(__("Skip the wait, and run this job as soon as a worker is free?"));
	if (!is_sure) return false;
	try {
		tell((await write("run_now", { job_id: job.job_id })).message);
		return true;
	} catch (error) {
		tell_error(error, __("Could not run the job now"));
		return false;
	}
}

/** A dialog for another due time. */
export function reschedule(job) {
	return new Promise((resolve) => {
		let is_done = false;
		const dialog = new frappe.ui.Dialog({
			title: __("Reschedule"),
			fields: [{ fieldname: "available_at", fieldtype: "Datetime", label: __("Not Before"), reqd: 1 }],
			primary_action_label: __("Reschedule"),
			primary_action: one_at_a_time(async ({ available_at }) => {
				const request = write("reschedule_job", { job_id: job.job_id, available_at });
				is_done = await done(request, __("Rescheduled."), __("Could not reschedule the job"));
				if (is_done) dialog.hide();
			}),
		});
		dialog.onhide = () => resolve(is_done);
		dialog.show();
	});
}

export async function remove(job) {
	if (!(await confirmed(__("Delete this job with its attempts and history? This can't be undone.")))) return false;
	const failure = __("Could not delete the job");
	try {
		const { refused } = await write("delete_jobs", { job_ids: [job.job_id] });
		const why = Object.values(refused)[0];
		if (why) throw new ApiError("refused", why);
		return true;
	} catch (error) {
		tell_error(error, failure);
		return false;
	}
}

/** JSON text as an object. For other text, shows a message and returns null. */
export function parse(text) {
	try {
		const value = JSON.parse(text || "{}");
		if (value && typeof value === "object" && !Array.isArray(value)) return value;
		tell(__("The parameters must be a JSON object."), "red");
	} catch (error) {
		tell(__("The parameters are no valid JSON: {0}", [error.message]), "red");
	}
	return null;
}

/** The question before a retry of this number of jobs. */
export const ask_retry = (count) => (count === 1 ? __("Retry 1 job?") : __("Retry {0} jobs?", [count]));

const BULK = {
	cancel_jobs: {
		ask: (count) =>
			count === 1
				? __("Cancel 1 job? If it runs, it stops as soon as it can.")
				: __("Cancel {0} jobs? Those that run stop as soon as they can.", [count]),
		said: (count) => (count === 1 ? __("Cancel requested for 1 job.") : __("Cancel requested for {0} jobs.", [count])),
		failure: () => __("Could not cancel the jobs"),
	},
	retry_jobs: {
		ask: ask_retry,
		said: (count) => (count === 1 ? __("1 job queued again.") : __("{0} jobs queued again.", [count])),
		failure: () => __("Could not retry the jobs"),
	},
	delete_jobs: {
		ask: (count) =>
			count === 1
				? __("Delete 1 job with its history? This can't be undone.")
				: __("Delete {0} jobs with their history? This can't be undone.", [count]),
		said: (count) => (count === 1 ? __("1 job deleted.") : __("{0} jobs deleted.", [count])),
		failure: () => __("Could not delete the jobs"),
	},
};

/** `name`: cancel_jobs, retry_jobs or delete_jobs. Shows how many jobs were done, and why others were refused. */
export async function bulk(name, job_ids) {
	const words = BULK[name];
	if (!(await confirmed(words.ask(job_ids.length)))) return false;
	try {
		show_summary(words, await write(name, { job_ids }));
		return true;
	} catch (error) {
		tell_error(error, words.failure());
		return false;
	}
}

export function show_summary(words, { done: finished, refused }) {
	const said = words.said(finished.length);
	if (!Object.keys(refused).length) {
		tell(said);
		return;
	}
	const summary = make("div", { class: "dw-summary" });
	summary.append(make("p", {}, said), make("ul", {}, refusals(refused).map((line) => make("li", {}, line))));
	frappe.msgprint({ title: __("Result"), message: summary.outerHTML, indicator: finished.length ? "orange" : "red" });
}

/** A line for each reason of `{ job id: reason }`. It names the job, or how many jobs have this reason. */
function refusals(refused) {
	const lines = new Map();
	for (const [job_id, why] of Object.entries(refused)) {
		const reason = why.replaceAll(job_id, "…");
		const { count = 0 } = lines.get(reason) ?? {};
		lines.set(reason, { count: count + 1, only: why.includes(job_id) ? why : `${job_id}: ${why}` });
	}
	return [...lines].map(([reason, { count, only }]) => (count > 1 ? __("{0} jobs: {1}", [count, reason]) : only));
}
