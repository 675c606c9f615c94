// Starts a job from the scripts of other apps, and shows its progress in a dialog (docs/desk.md).
import { write } from "./api";
import { cancel, tell_error } from "./actions";
import { bar, button, job_pill, link, make } from "./dom";
import { is_finished } from "./live_job";
import { watch } from "./watch";

const NOTICE = 1_000; // milliseconds, in which the notice to the owner has come if the Job Type wants one
/** Statuses without a bar: an error is shown instead. */
const HAS_NO_BAR = new Set(["Failed", "Timed Out", "Dead Letter", "Canceled"]);

/**
 * Submit a job and show its progress in a dialog: `start({ job_type, organization, parameters, title, on_done })`.
 * Takes the arguments of `submit_job`. Resolves to the job when it has ended or the dialog was closed; to null if
 * the job was refused.
 */
export async function start({ on_done, ...request }) {
	try {
		const { job_id } = await write("submit_job", request);
		return await show_progress(job_id, { on_done });
	} catch (error) {
		tell_error(error, __("Could not submit the job"));
		return null;
	}
}

/**
 * Show a job's progress in a dialog, under `title` or else the job's own. When the dialog is closed, the job goes on,
 * `on_done(job)` is still called, and a toast says how the job has ended.
 */
export function show_progress(job_id, { title, on_done } = {}) {
	return new Promise((resolve) => {
		let job = { job_id };
		let is_closed = false;
		const view = small_view(() => cancel(job));
		const dialog = new frappe.ui.Dialog({ title: frappe.utils.escape_html(title || __("Background Job")) });
		dialog.$body[0].append(view.element);
		dialog.onhide = () => {
			is_closed = true;
			resolve(job);
		};
		dialog.show();
		watch(job_id, {
			on_progress(current) {
				job = current;
				dialog.set_title(frappe.utils.escape_html(title || name_of(job)));
				view.show(job);
			},
			on_done(current) {
				if (is_closed) setTimeout(() => tell_end(current, title || name_of(current)), NOTICE);
				on_done?.(current);
				resolve(current);
			},
			on_error: (error) => view.say(error.message),
		});
	});
}

const name_of = (job) => job.title || job.job_type;

/** A toast with a link to the job's file, or else to the job. None if the notice to its owner is on screen. */
function tell_end({ job_id, status, output_url, error_message }, name) {
	if (document.querySelector(`#alert-container a[href*="${CSS.escape(job_id)}"]`)) return;
	const text =
		{ Completed: __("{0} completed", [name]), Canceled: __("{0} was canceled", [name]) }[status] ??
		__("{0} failed: {1}", [name, error_message]);
	const file = output_url && make("a", { href: output_url, download: "" }, text);
	const message = (file || link("Background Job", job_id, text)).outerHTML;
	frappe.show_alert({ message, indicator: status === "Completed" ? "green" : "red" }, 10);
}

function small_view(on_cancel) {
	const state = make("span");
	const line = make("p", { class: "dw-line", "aria-live": "polite" });
	const fault = make("div", { class: "dw-error" });
	const progress = bar(__("Progress"));
	const file = make("a", { class: "btn btn-primary btn-sm", download: "" }, __("Download"));
	const stop = button(__("Cancel"), on_cancel);
	const more = make("span", { class: "dw-more" });
	const hint = make("p", { class: "text-muted small" }, __("You can close this dialog. The job goes on."));
	const element = make("div", { class: "dw-job" });
	element.append(state, progress.element, fault, line, make("div", { class: "dw-buttons" }, file, stop, more), hint);
	const say = (text) => (line.textContent = text ?? "");
	file.hidden = stop.hidden = fault.hidden = true;
	return {
		element,
		say,
		show(job) {
			state.replaceChildren(job_pill(job.status));
			hint.hidden = is_finished(job);
			progress.show(job.status === "Completed" ? 100 : job.progress);
			progress.element.hidden = HAS_NO_BAR.has(job.status);
			fault.textContent = HAS_NO_BAR.has(job.status) ? job.error_message ?? "" : "";
			fault.hidden = !fault.textContent;
			say(is_finished(job) ? "" : job.waiting_reason || job.progress_message);
			stop.hidden = !job.can_cancel;
			file.hidden = !job.output_url;
			if (job.output_url) file.href = job.output_url;
			more.replaceChildren(link("Background Job", job.job_id, __("Details")));
		},
	};
}
