// The view above the fields in the form of a Background Job. A part is made anew only when its data have changed, so
// that opened sections stay open.
import { bar, button, duration, fold, job_pill, json, link, make, pill, time } from "./dom";
import { is_finished } from "./live_job";

const JOB = "Background Job";
const RUN = "Background Job Run";

export class JobView {
	/** `actions`: `{ label, is_offered(job), run(job), kind }` of each button. */
	constructor(parent, actions) {
		this.actions = actions;
		this.shown = {};
		this.notice = make("div", { class: "dw-notice", role: "status" });
		this.notice.hidden = true;
		this.progress = bar(__("Progress"));
		this.parts = {};
		const names = ["head", "line", "labels", "steps", "buttons", "outcome", "files", "attempts", "relatives", "data", "times", "history"];
		for (const name of names) this.parts[name] = make("div", { class: `dw-part dw-${name}` });
		const { head: state, line, labels: about, steps: list, buttons, ...rest } = this.parts;
		line.setAttribute("aria-live", "polite");
		const top = make("div", { class: "dw-top" }, make("div", { class: "dw-row" }, state, buttons));
		top.append(about, this.progress.element, line, list);
		this.element = make("div", { class: "dw-job" }, this.notice, top, ...Object.values(rest));
		parent.replaceChildren(this.element);
	}

	/** Show a plain message above everything. An empty text removes it. */
	say(text, label, on_click) {
		this.notice.hidden = !text;
		this.notice.replaceChildren(...(text ? [make("span", {}, text)] : []));
		if (text && label) this.notice.append(button(label, on_click));
	}

	show(job) {
		this.show_progress(job);
		this.part("head", [job.status, job.cancel_requested, job.attempt, job.retry_count], () => head(job));
		this.part("labels", [job.reference_doctype, job.reference_name, job.tags], () => labels(job));
		this.part("steps", [job.steps, job.status], () => steps(job));
		this.part("buttons", this.offered(job).map(({ label }) => label), () => this.buttons(job));
		const error = [job.error_message, job.attempt, job.attempts.length];
		this.part("outcome", [job.status, error, job.output_reference, job.result_is_hidden], () => outcome(job));
		this.part("files", [job.files, job.output_url], () => files(job));
		this.part("attempts", job.attempts, () => attempts(job));
		this.part("relatives", [job.relatives, job.batch, job.callback_of], () => relatives(job));
		this.part("data", [job.parameters, job.result], () => data(job));
		this.part("times", TIMES().map(([field]) => job[field]), () => times(job));
		this.part("history", job.history, () => history(job));
		this.job = job;
	}

	/** Remove the buttons: the job is gone. */
	disable() {
		this.parts.buttons.replaceChildren();
		this.shown.buttons = null;
	}

	show_progress(job) {
		this.progress.element.hidden = job.status !== "Running";
		this.progress.show(job.progress);
		this.parts.line.textContent = is_finished(job) ? "" : job.waiting_reason || job.progress_message || "";
		this.parts.line.hidden = !this.parts.line.textContent;
	}

	offered(job) {
		return this.actions.filter((action) => action.is_offered(job));
	}

	buttons(job) {
		return this.offered(job).map(({ label, run, kind }) => button(label, () => run(this.job), kind));
	}

	part(name, value, render) {
		const now = JSON.stringify(value ?? null);
		if (this.shown[name] === now) return;
		this.shown[name] = now;
		const part = this.parts[name];
		const open = new Set([...part.querySelectorAll("details[open]")].map(({ firstChild }) => firstChild.textContent));
		part.replaceChildren(...[render()].flat().filter(Boolean));
		for (const details of part.querySelectorAll("details")) details.open ||= open.has(details.firstChild.textContent);
		part.hidden = !part.childNodes.length;
	}
}

function head(job) {
	const muted = [job.attempt && attempt_words(job), job.cancel_requested && __("Stopping")].filter(Boolean);
	return [job_pill(job.status), ...muted.map((text) => make("span", { class: "text-muted" }, text))];
}

/** The attempt of its series that runs, comes next or was the last, and how many there may be. */
function attempt_words({ attempt, retry_count, max_retries }) {
	const numbers = [retry_count + 1, max_retries + 1];
	if (attempt <= retry_count + 1) return __("attempt {0} of {1}", numbers);
	return __("attempt {0} of {1} ({2} in all)", [...numbers, attempt]); // after a retry by hand, or a lost worker
}

/** The document that the job is about, and its tags. */
function labels({ reference_doctype: doctype, reference_name: name, tags }) {
	const href = doctype && frappe.utils.get_form_link(doctype, name);
	const about = doctype && make("span", {}, `${__(doctype)} `, make("a", { href, class: "dw-reference" }, name));
	return [about, ...(tags ?? []).map((tag) => make("span", { class: "dw-tag" }, tag))];
}

const LOG_LEVELS = () => ({ debug: __("Debug"), info: __("Info"), warning: __("Warning"), error: __("Error") });
const STEP_WORDS = () => ({
	done: __("done"),
	active: __("in progress"),
	pending: __("not started"),
	stopped: __("stopped"),
});

/** The steps of the latest attempt. The one at which it has ended is not in progress any more. */
function steps({ steps: list, status }) {
	if (!list?.length) return [];
	const words = STEP_WORDS();
	const items = list.map(({ name, state }) => {
		const now = state === "active" && status !== "Running" ? "stopped" : state;
		return make("li", { class: `dw-step dw-step-${now}`, title: words[now] ?? now }, name);
	});
	return make("ol", { class: "dw-step-list", "aria-label": __("Steps") }, items);
}

function outcome(job) {
	const nodes = [];
	if (job.error_message && job.status !== "Dead Letter") {
		nodes.push(make("p", { class: "text-muted dw-earlier" }, earlier_error(job)));
	} else if (job.error_message) {
		const kind = { Permanent: __("Permanent error"), Transient: __("Transient error") }[job.error_type] ?? __("Error");
		nodes.push(make("div", { class: "dw-error" }, make("strong", {}, kind), make("p", {}, job.error_message)));
	}
	if (job.result_is_hidden && job.status === "Completed") {
		const text = __("The result is hidden: the organization is not active, or only the owner of the job may see it.");
		nodes.push(make("p", {}, text));
	}
	if (job.output_url) {
		const href = job.output_url;
		nodes.push(make("a", { class: "btn btn-primary btn-sm", href, download: "" }, __("Download the file")));
	} else if (job.output_reference) {
		nodes.push(make("p", {}, make("strong", {}, __("Outcome")), " ", job.output_reference));
	}
	return nodes;
}

/** Whose error it is that a job has which may still succeed, or was canceled. */
function earlier_error({ error_message: error, attempts: all }) {
	const failed = all.findLast(({ error_message }) => error_message);
	return failed ? __("Attempt {0} failed: {1}", [failed.attempt, error]) : __("Last error: {0}", [error]);
}

/** The files that the job has made, but for the one that is its outcome. */
function files(job) {
	const more = job.files.filter(({ file_url }) => file_url !== job.output_url);
	const items = more.map(({ name, size, file_url: href }) => {
		const much = make("span", { class: "text-muted" }, frappe.form.formatters.FileSize(size));
		return make("li", {}, make("a", { href, download: name }, name), " ", much);
	});
	return more.length ? [make("h4", {}, __("Files")), make("ul", { class: "dw-files" }, items)] : [];
}

function attempts(job) {
	if (!job.attempts.length) return [];
	const items = job.attempts.map((attempt, place) => attempt_item(job, attempt, job.attempts[place + 1])).reverse();
	return [make("h4", {}, __("Attempts")), make("ol", { class: "dw-timeline" }, items)];
}

function attempt_item(job, attempt, next) {
	const line = make("div", { class: "dw-row" }, make("strong", {}, link_to_run(job, attempt)));
	if (attempt.outcome) line.append(pill(attempt.outcome));
	if (attempt.started_at) line.append(time(attempt.started_at));
	if (attempt.duration != null && attempt.ended_at) line.append(make("span", {}, duration(attempt.duration)));
	const where = attempt.worker && make("div", { class: "text-muted small dw-worker" }, attempt.worker);
	const item = make("li", {}, line, where);
	if (attempt.error_message) item.append(make("div", { class: "dw-error" }, attempt.error_message));
	if (attempt.traceback) {
		const text = make("pre", { class: "dw-json", tabindex: "0" }, attempt.traceback);
		item.append(fold(__("Traceback of attempt {0}", [attempt.attempt]), text));
	}
	if (attempt.log.length) {
		const lines = make("ol", { class: "dw-log", tabindex: "0" }, attempt.log.map(log_line));
		item.append(fold(__("Log of attempt {0}", [attempt.attempt]), lines));
	}
	if (attempt.parameters && JSON.stringify(attempt.parameters) !== JSON.stringify(next?.parameters)) {
		item.append(fold(__("Parameters up to attempt {0}", [attempt.attempt]), json(attempt.parameters)));
	}
	return item;
}

function log_line({ logged_at, level, text }) {
	return make("li", { class: `dw-log-${level}` }, time(logged_at), make("span", {}, LOG_LEVELS()[level] ?? level), text);
}

function link_to_run(job, { attempt, ended_at }) {
	const text = __("Attempt {0}", [attempt]);
	return ended_at ? link(RUN, `${job.job_id}-${attempt}`, text) : text;
}

function relatives(job) {
	const { parents, children, has_more_children } = job.relatives;
	const rows = [
		[__("Depends on"), parents.map(relative)],
		[__("Jobs that depend on it"), children.map(relative)],
		[__("Batch"), job.batch ? [batch(job.batch)] : []],
		[__("Made for the end of"), job.callback_of ? [link("Job Batch", job.callback_of)] : []],
	].filter(([, items]) => items.length);
	if (has_more_children) rows.find(([label]) => label === __("Jobs that depend on it"))[1].push(__("and more"));
	return rows.length ? [make("h4", {}, __("Relations")), table(rows)] : [];
}

function relative({ job_id, job_type, status }) {
	return make("div", { class: "dw-row" }, link(JOB, job_id), job_type, status && job_pill(status));
}

function batch({ batch_id, description, status }) {
	return make("div", { class: "dw-row" }, link("Job Batch", batch_id), description, pill(status));
}

function table(rows) {
	const list = make("dl", { class: "dw-facts" });
	for (const [label, items] of rows) list.append(make("dt", {}, label), make("dd", {}, items));
	return list;
}

function data(job) {
	const parts = [make("div", {}, make("h4", {}, __("Parameters")), json(job.parameters ?? {}))];
	if (job.result != null) parts.push(make("div", {}, make("h4", {}, __("Result")), json(job.result)));
	return parts;
}

const TIMES = () => [
	["created_at", __("Created")],
	["available_at", __("Due")],
	["started_at", __("Started")],
	["next_retry_at", __("Next retry")],
	["completed_at", __("Ended")],
	["canceled_at", __("Canceled")],
	["canceled_by", __("Canceled by")],
];

function times(job) {
	const is_time = (field) => field.endsWith("_at");
	const rows = TIMES().filter(([field]) => job[field]);
	return table(rows.map(([field, label]) => [label, [is_time(field) ? time(job[field]) : job[field]]]));
}

function history(job) {
	const rows = job.history.map((event) =>
		make(
			"tr",
			{},
			make("td", {}, time(event.timestamp)),
			make("td", {}, job_pill(event.to_status)),
			make("td", {}, event.message),
			make("td", {}, event.actor)
		)
	);
	const list = make("div", { class: "dw-scroll" }, make("table", { class: "table dw-log" }, make("tbody", {}, rows)));
	const log = frappe.utils.get_form_link("Job Execution Log", "").replace(/\/$/, "");
	const href = `${log}?background_job=${encodeURIComponent(job.job_id)}`;
	return fold(__("History ({0})", [job.history.length]), list, make("a", { href }, __("Open in the log")));
}
