// Shared by the forms of Job Type, Job Batch and Organization: figures in a row, a list of jobs, and polling while the
// form is on screen.
import { bar, duration, job_pill, link, make, time, title_of } from "./dom";

const AGAIN = 10_000;

/** Figures side by side: `[[label, value, color]]`. Leaves out figures without a value. */
export function figures(rows) {
	const items = rows
		.filter(([, value]) => value != null && value !== "")
		.map(([label, value, color]) =>
			make("div", { class: "dw-figure" }, make("div", { class: `dw-value ${color ? `dw-${color}` : ""}` }, value), label)
		);
	return make("div", { class: "dw-figures" }, items);
}

export const percent = (share) => (share == null ? null : `${Math.round(share * 1000) / 10} %`);
export const seconds = (value) => (value == null ? null : duration(value));

/** Rows for jobs from `list_jobs`, newest first. */
export function job_table(jobs, { with_type = false } = {}) {
	if (!jobs.length) return make("p", { class: "text-muted" }, __("No jobs yet"));
	return make("ul", { class: "dw-jobs" }, jobs.map((job) => job_row(job, with_type)));
}

function job_row(job, with_type) {
	const name = link("Background Job", job.job_id, title_of(job.title, job.job_type, job.job_id));
	const row = make("li", { class: "dw-row" }, job_pill(job.status), name);
	if (with_type) row.append(make("span", {}, job.job_type));
	row.append(make("span", { class: "text-muted" }, job.organization_name, " · ", job.owner_user), time(job.created_at));
	if (job.status === "Running") {
		const progress = bar(__("Progress"));
		progress.show(job.progress);
		row.append(progress.element);
	}
	const line = job.waiting_reason || job.error_message;
	if (line) row.append(make("span", { class: "text-muted dw-wide dw-clip", title: line }, line));
	return row;
}

/** Links to lists with a filter: `[[label, doctype, filters]]`. */
export function lists(rows) {
	const items = rows.map(([label, doctype, filters]) => {
		const path = frappe.utils.get_form_link(doctype, "").replace(/\/$/, "");
		return make("a", { href: `${path}?${new URLSearchParams(filters)}` }, label);
	});
	return make("div", { class: "dw-row" }, items);
}

export class Overview {
	/** `ask(name)` requests data, and `render(answer)` makes nodes from them for the form's field `overview`. */
	constructor(frm, ask, render) {
		Object.assign(this, { frm, ask, render, question: 0 });
		this.notice = make("div", { class: "dw-notice", role: "status" });
		this.body = make("div", { class: "dw-job" });
		frm.get_field("overview").$wrapper[0].replaceChildren(this.notice, this.body);
		this.say("");
	}

	say(text) {
		this.notice.textContent = text;
		this.notice.hidden = !text;
	}

	async open() {
		this.close();
		const name = this.frm.docname;
		if (this.frm.is_new()) {
			this.body.replaceChildren();
			return;
		}
		if (this.name !== name) this.body.replaceChildren();
		this.name = name;
		const number = this.question;
		let wait = AGAIN;
		try {
			const answer = await this.ask(name);
			if (number !== this.question) return;
			this.say("");
			this.body.replaceChildren(...this.render(answer).flat().filter(Boolean));
		} catch (error) {
			if (!error.kind) throw error;
			if (number !== this.question) return;
			this.say(error.message);
			if (error.kind === "gone") this.body.replaceChildren(); // nothing can be done with a missing document
			if (error.kind === "login" || error.kind === "gone") return;
			wait = Math.max(wait, error.seconds * 1000);
		}
		this.again(wait);
	}

	/** Poll again later, but not while the page is hidden or the form has changes. */
	again(wait = AGAIN) {
		this.timer = setTimeout(() => (document.hidden || this.frm.is_dirty() ? this.again() : this.open()), wait);
	}

	/** End polling, and ignore an answer that is still on its way. */
	close() {
		this.question += 1;
		clearTimeout(this.timer);
	}
}
