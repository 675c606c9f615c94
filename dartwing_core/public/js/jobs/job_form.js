// The form of a Background Job: a view that keeps itself up to date while it is on screen.
import * as actions from "./actions";
import { read } from "./api";
import { COLORS, status_word, title_of } from "./dom";
import { edit_and_retry } from "./edit_dialog";
import { JobView } from "./job_view";
import { hide_editor } from "./last_change";
import { LiveJob } from "./live_job";

/** Parts of the sidebar that the engine refuses for jobs. */
const NOT_OFFERED = ".form-assignments, .form-tags, .form-shared, .form-attachments .add-attachment-btn";
const PATIENCE = 2_000; // milliseconds; a socket that comes back within this time gets no message

/** Sections and fields that the view shows better. They stay where there is no view. */
const SECTIONS = ["progress", "outcome", "parameters", "times", "attempts", "relations", "reference"];
const REPLACED = ["status", ...SECTIONS.map((name) => `section_${name}`)];

export function setup_job_form() {
	frappe.ui.form.on("Background Job", {
		refresh(frm) {
			frm.disable_save();
			frm.toggle_display(REPLACED, false);
			frm.dashboard.links_area.hide(); // the view has them
			frm.page.sidebar?.find(NOT_OFFERED).hide();
			hide_editor(frm);
			frm.job_page ??= new JobPage(frm);
			frm.job_page.open();
		},
		on_hide(frm) {
			frm.job_page?.close();
		},
	});
}

/** Name the form anew, wherever Frappe 15 or 16 does: other parameters may give a job another title. */
function show_title(frm, title) {
	if (frm.doc.job_title === title) return;
	frm.doc.job_title = title;
	frm.refresh_field("job_title");
	frm.toolbar.set_title();
	frappe.breadcrumbs.update();
	frm.page.sidebar?.find(".form-details .form-title-text").text(title);
}

class JobPage {
	constructor(frm) {
		this.frm = frm;
		this.view = new JobView(frm.get_field("overview").$wrapper[0], this.actions());
	}

	/** Show the form's job, and follow it until the form is left. */
	open() {
		const job_id = this.frm.docname;
		if (this.live?.job_id === job_id && !this.live.is_stopped) {
			this.live.refresh();
			return;
		}
		this.close();
		this.trouble = null;
		this.live = new LiveJob(job_id, {
			read: () => read("get_job_details", { job_id }),
			on_change: (job) => this.show(job),
			on_error: (error) => this.failed(error),
			on_connection: (is_live) => this.connection(is_live),
		}).start();
	}

	close() {
		clearTimeout(this.waiting);
		this.live?.stop();
	}

	connection(is_live) {
		clearTimeout(this.waiting);
		this.is_cut = false;
		if (!is_live) {
			this.waiting = setTimeout(() => {
				this.is_cut = true;
				this.say();
			}, PATIENCE);
		}
		this.say();
	}

	/** Show the error of the last request, else that of the socket, else nothing. */
	say() {
		const cut = this.is_cut ? __("No live connection: the page is updated every few seconds.") : "";
		const reload = this.trouble?.kind === "login" ? [__("Reload"), () => location.reload()] : [];
		this.view.say(this.trouble?.message ?? cut, ...reload);
	}

	show(job) {
		this.trouble = null;
		this.say();
		this.view.show(job);
		const { frm } = this;
		show_title(frm, title_of(job.title, job.job_type, job.job_id));
		frm.page.set_indicator(status_word(job.status), COLORS[job.status]);
		for (const field of ["status", "priority", "queue"]) {
			frm.doc[field] = job[field];
			frm.refresh_field(field);
		}
	}

	failed(error) {
		if (error.kind === "gone") this.view.disable();
		this.trouble = error;
		this.say();
	}

	actions() {
		// Also after a refusal: the job has changed since its buttons were shown.
		const then = async (promise) => {
			await promise;
			this.live.refresh();
		};
		const deleted = async (promise) => {
			if (!(await promise)) {
				this.live.refresh();
				return;
			}
			this.close();
			actions.tell(__("Job deleted"));
			frappe.model.clear_doc("Background Job", this.frm.docname);
			frappe.set_route("List", "Background Job");
		};
		return [
			{
				label: __("Run now"),
				kind: "primary",
				is_offered: (job) => job.can_run_now,
				run: (job) => then(actions.run_now(job)),
			},
			{
				label: __("Reschedule"),
				is_offered: (job) => job.can_reschedule,
				run: (job) => then(actions.reschedule(job)),
			},
			{
				label: __("Cancel"),
				is_offered: (job) => job.can_cancel,
				run: (job) => then(actions.cancel(job)),
			},
			{
				label: __("Retry"),
				is_offered: (job) => job.can_retry,
				run: (job) => then(actions.retry(job)),
			},
			{
				label: __("Edit and retry"),
				is_offered: (job) => job.can_edit,
				run: (job) => then(edit_and_retry(job)),
			},
			{
				label: __("Delete"),
				is_offered: (job) => job.can_delete,
				run: (job) => deleted(actions.remove(job)),
			},
		];
	}
}
