// A job in the list, and the parts that list and details share.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { words, dom } = center;
	const { __ } = words;
	const { make, button, set_text, set_attribute, show } = dom;

	const COLORS = {
		Running: "busy",
		Queued: "wait",
		Pending: "wait",
		Completed: "good",
		Failed: "warn",
		"Timed Out": "warn",
		"Dead Letter": "bad",
		Canceled: "wait",
	};

	function pill() {
		return make("span", { class: "jc-pill" });
	}

	function show_pill(element, job) {
		set_text(element, job.cancel_requested ? __("Stopping") : words.status(job.status));
		set_attribute(element, "data-color", job.cancel_requested ? "warn" : COLORS[job.status] ?? "wait");
	}

	/** Percent of a running job; null while it has reported none. */
	function percent_of(job) {
		return job.progress > 0 || job.progress_message ? job.progress : null;
	}

	/** One line: what the job is doing, why it waits, or how it ended. */
	function line_of(job) {
		if (job.status === "Dead Letter") return job.error_message;
		const step = job.steps.find(({ state }) => state === "active");
		if (job.status === "Running") return job.progress_message || step?.name || earlier_error(job);
		return job.completed_at ? "" : [job.waiting_reason, earlier_error(job)].filter(Boolean).join(" ");
	}

	/** The error of an earlier attempt, or why a job was canceled that never ran. A failed one has an error of its own. */
	function earlier_error({ error_message: error, status }) {
		return error && status !== "Dead Letter" ? __("Last error: {0}", error) : "";
	}

	/** The buttons of a job. `actions`: cancel, retry, run_now (called with the job). */
	function action_bar(actions, instead) {
		let job;
		const cancel = button(__("Cancel"), () => actions.cancel(job), { "data-action": "cancel" });
		const retry = button(__("Retry"), () => actions.retry(job), { "data-action": "retry" });
		const run_now = button(__("Run now"), () => actions.run_now(job), { "data-action": "run_now" });
		const file = make("a", { class: "jc-button jc-button-main", "data-action": "download", download: "" });
		set_text(file, __("Download"));
		const element = make("div", { class: "jc-actions" }, file, retry, run_now, cancel);
		return {
			element,
			show(current) {
				job = current;
				const name = words.name(job);
				const is_busy = actions.is_busy(job.job_id);
				for (const [node, is_shown] of [
					[cancel, job.can_cancel],
					[retry, job.can_retry],
					[run_now, may_run_now(job)],
					[file, Boolean(job.output_url)],
				]) {
					show(node, is_shown, instead);
					set_attribute(node, "aria-label", `${node.textContent}: ${name}`);
				}
				for (const node of [cancel, retry, run_now]) set_attribute(node, "aria-disabled", is_busy ? "true" : null);
				set_attribute(file, "href", job.output_url && is_path(job.output_url) ? job.output_url : null);
				show(element, job.can_cancel || job.can_retry || may_run_now(job) || Boolean(job.output_url));
			},
		};
	}

	/** Whether to offer "Run now". For a failed job, a retry does that and more. */
	function may_run_now(job) {
		return job.can_run_now && !job.can_retry;
	}

	/** The address, if it is a path on this site. */
	function is_path(url) {
		return url.startsWith("/") && !url.startsWith("//") && !url.startsWith("/\\");
	}

	/** A list item. `show(job)` updates it without making it anew. */
	function card(actions) {
		let job;
		const title = button("", () => actions.open(job.job_id), { class: "jc-card-title", "aria-haspopup": "dialog" });
		const state = pill();
		const meta = make("p", { class: "jc-meta" });
		const bar = dom.bar();
		const line = make("p", { class: "jc-line" });
		const bars = action_bar(actions, title);
		const text = make("div", { class: "jc-card-text" });
		text.append(make("div", { class: "jc-card-head" }, make("h3", {}, title), state), meta, bar.element, line);
		const element = make("li", { class: "jc-card" }, text, bars.element);
		let shown = "";
		return {
			element,
			title,
			show(current) {
				job = current;
				const name = words.name(job);
				element.dataset.job = job.job_id;
				element.dataset.status = job.status;
				set_text(title, name);
				show_pill(state, job);
				show(bar.element, job.status === "Running");
				if (job.status === "Running") bar.show(percent_of(job), `${__("Progress")}: ${name}`);
				set_text(line, line_of(job));
				line.classList.toggle("jc-line-error", Boolean(job.error_message) && job.status === "Dead Letter");
				show(line, Boolean(line.textContent));
				bars.show(job);
				const now = [job.title, job.organization_name, job.owner_user, job.retry_count, moment_of(job)].join();
				if (now === shown) return;
				shown = now;
				meta.replaceChildren(...meta_of(job));
			},
		};
	}

	/** The time that matters in the job's status. */
	function moment_of(job) {
		if (job.status === "Running") return job.started_at;
		return job.completed_at ?? job.created_at;
	}

	function meta_of(job) {
		const parts = job.title ? [words.type(job.job_type), job.organization_name] : [job.organization_name];
		if (job.owner_user !== center.data.user) parts.push(job.owner_user);
		if (job.retry_count && job.status === "Running") parts.push(__("attempt {0} of {1}", ...words.attempt(job)));
		parts.push(...job.tags);
		const nodes = parts.map((part) => make("span", {}, part));
		const moment = moment_of(job);
		if (moment) nodes.push(dom.time(moment));
		return nodes;
	}

	center.card = { card, pill, show_pill, action_bar, percent_of, earlier_error, COLORS };
})();
