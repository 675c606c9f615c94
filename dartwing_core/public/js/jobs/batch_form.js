// The form of a Job Batch: its progress, the latest jobs, and cancel and retry of the whole batch.
import { confirmed, tell, tell_error } from "./actions";
import { is_outdated, read, write } from "./api";
import { bar, button, link, make, pill, status_word } from "./dom";
import { hide_editor } from "./last_change";
import { Overview, figures, job_table, lists } from "./overview";

const LATEST = 10;
const CALLBACKS = () => ({
	on_complete_job: __("On complete"),
	on_success_job: __("On success"),
	on_failure_job: __("On failure"),
});

/** Set up the form of a Job Batch: its progress, and cancel and retry of the whole batch. */
export function setup_batch_form() {
	frappe.ui.form.on("Job Batch", {
		refresh(frm) {
			frm.disable_save();
			hide_editor(frm);
			frm.batch_page ??= new Overview(frm, ask, render(frm));
			frm.batch_page.open();
		},
		on_hide: (frm) => frm.batch_page?.close(),
	});
}

async function ask(batch_id) {
	const [batch, { jobs }] = await Promise.all([
		read("get_batch_status", { batch_id }),
		read("list_jobs", { batch: batch_id, limit: LATEST }),
	]);
	return { ...batch, jobs };
}

const render = (frm) => (batch) => {
	const progress = bar(__("Progress"));
	progress.show(batch.progress);
	return [
		make("div", { class: "dw-row" }, pill(batch.status), stopping(batch), ...buttons(frm, batch)),
		progress.element,
		figures(in_words(batch.job_count_by_status)),
		callbacks(batch),
		make("h4", {}, __("Latest jobs")),
		job_table(batch.jobs, { with_type: true }),
		lists([[__("All jobs of the batch"), "Background Job", { parent_batch: batch.batch_id }]]),
	];
};

/** Rows of figures. Two states are called Retrying. */
function in_words(counts) {
	const found = {};
	for (const [status, count] of Object.entries(counts)) {
		const word = status_word(status);
		found[word] = [word, count + (found[word]?.[1] ?? 0), status === "Dead Letter" && "bad"];
	}
	return Object.values(found);
}

const stopping = (batch) => batch.status === "Running" && batch.cancel_requested && __("Stopping");

function callbacks(batch) {
	const rows = Object.entries(CALLBACKS()).filter(([field]) => batch[field]);
	return rows.map(([field, label]) =>
		make("div", { class: "dw-row" }, make("span", { class: "text-muted" }, label), link("Background Job", batch[field]))
	);
}

function buttons(frm, batch) {
	const counts = batch.job_count_by_status;
	const has_failed = ["Dead Letter", "Failed", "Timed Out"].some((status) => counts[status]);
	const found = [];
	if (batch.status === "Running" && !batch.cancel_requested) {
		const text = __("Cancel all jobs of this batch that have not ended?");
		const words = [text, __("Canceling."), __("Could not cancel the batch")];
		found.push(button(__("Cancel"), () => act(frm, "cancel_batch", ...words)));
	}
	if (has_failed) {
		const text = __("Retry all jobs of this batch that have failed?");
		const words = [text, __("Queued again."), __("Could not retry the jobs")];
		found.push(button(__("Retry failed jobs"), () => act(frm, "retry_batch", ...words)));
	}
	return found;
}

async function act(frm, name, question, said, failure) {
	if (!(await confirmed(question))) return;
	try {
		await write(name, { batch_id: frm.docname });
		tell(said);
	} catch (error) {
		tell_error(error, failure);
		if (!is_outdated(error)) return;
	}
	frm.batch_page.open();
}
