// Starts a job from the scripts of other apps, and shows its progress in a dialog (docs/desk.md).
import { write } from "./api";
import { cancel, tell_error } from "./actions";
import { bar, button, link, make, pill } from "./dom";
import { is_finished } from "./live_job";
import { watch } from "./watch";

/** Statuses without a bar: an error is shown instead. */
const HAS_NO_BAR = new Set(["Failed", "Timed Out", "Dead Letter", "Canceled"]);

/**
 * Submit a job and show its progress in a dialog: `start({ job_type, organization, parameters, title, on_done })`.
 * Takes the arguments of `submit_job`. Resolves to the job when it has ended or the dialog was closed; to null if
 * the job was refused.
 */
export async function start({ title, on_done, ...request }) {
	try {
		const { job_id } = await write("submit_job", request);
		return await show_progress(job_id, { title, on_done });
	} catch (error) {
		tell_error(error);
		return null;
	}
}

/** Show a job's progress in a dialog. When that is closed, the job goes on, and `on_done(job)` is still called. */
export function show_progress(job_id, { title = __("Background Job"), on_done } = {}) {
	return new Promise((resolve) => {
		let job = { job_id };
		const view = small_view(() => cancel(job));
		const dialog = new frappe.ui.Dialog({ title: frappe.utils.escape_html(title) });
		dialog.$body[0].append(view.element);
		dialog.onhide = () => resolve(job);
		dialog.show();
		watch(job_id, {
			on_progress(current) {
				job = current;
				view.show(job);
			},
			on_done(current) {
				on_done?.(current);
				resolve(current);
			},
			on_error: (error) => view.say(error.message),
		});
	});
}

function small_view(on_cancel) {
	const state = make("span");
	const line = make("p", { class: "dw-line", "aria-live": "polite" });
	const fault = make("div", { class: "dw-error" });
	const progress = bar(__("Progress"));
	const file = make("a", { class: "btn btn-primary btn-sm", download: "" }, __("Download"));
	const stop = button(__("Cancel"), on_cancel);
	const more = make("span", { class: "dw-more" });
	const element = make("div", { class: "dw-job" });
	element.append(state, progress.element, fault, line, make("div", { class: "dw-buttons" }, file, stop, more));
	const say = (text) => (line.textContent = text ?? "");
	file.hidden = stop.hidden = fault.hidden = true;
	return {
		element,
		say,
		show(job) {
			state.replaceChildren(pill(job.status));
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
