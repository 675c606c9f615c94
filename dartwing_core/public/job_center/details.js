// The dialog with all details of one job.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { words, dom } = center;
	const { make, button, set_text, show } = dom;
	const { __ } = words;
	const STEPS = { active: __("in progress"), done: __("done"), pending: __("not started"), stopped: __("stopped") };
	const ACTIVE = { Running: "active", Completed: "done" }; // elsewhere, an attempt has ended there
	const PRIORITIES = { Low: __("Low"), Normal: __("Normal"), High: __("High"), Critical: __("Critical") };
	const RESULT_LENGTH = 20_000;
	const PARENTS = 20; // shown at most, the first ones

	/** `show(job)` updates the dialog. Before the first answer of `get_job_details`, a job has no history and no lines. */
	function details(dialog, actions) {
		let shown_facts, shown_history;
		const title = make("h2", { id: "jc-details-title", tabindex: "-1" });
		const state = center.card.pill();
		const close = button(__("Close"), () => dialog.close(), { class: "jc-button jc-close" });
		const notice = make("div", { role: "alert" });
		const bar = dom.bar();
		const line = make("p", { class: "jc-line" });
		const steps = make("ol", { class: "jc-steps", "aria-label": __("Steps") });
		const bars = center.card.action_bar(actions, title);
		const hidden = make(
			"p",
			{ class: "jc-note" },
			__("The result is hidden: the organization is not active, or only the job's owner may see it."),
		);
		const earlier = make("p", { class: "jc-note" });
		const error = section(__("Error"), make("p", { class: "jc-error" }));
		const result = section(__("Result"), make("pre", { tabindex: "0", "aria-label": __("Result") }));
		const lines = center.log();
		const parameters = center.parameters();
		const edit = center.edit(actions, title);
		bars.element.append(edit.open);
		const facts = make("dl", { class: "jc-facts" });
		const events = make("ol", { class: "jc-events" });
		const body = make("div", { class: "jc-details-body" });
		const known = section(__("Details"), facts);
		const past = section(__("History"), events);
		const parts = [bar.element, line, earlier, steps, bars.element, edit.form, hidden, error, result];
		parts.push(lines.element, parameters.element, known, past);
		body.append(notice, ...parts);
		parts.push(state);
		dialog.append(make("div", { class: "jc-details-head" }, title, state, close), body);
		// A text that is selected beyond the edge of the dialog ends in a click there, too: it must not cost the form.
		dialog.addEventListener("click", (event) => event.target === dialog && edit.form.hidden && dialog.close());

		function show_history({ history, owner_user }) {
			const now = JSON.stringify(history);
			if (now !== shown_history) events.replaceChildren(...history.map((event) => event_of(event, owner_user)).reverse());
			shown_history = now;
			show(past, true);
		}

		return {
			notice,
			/** Show that the job is gone. */
			end(name) {
				set_text(title, name);
				for (const part of parts) show(part, false, title);
				lines.show([]);
			},
			/** Show the dialog before the first answer, with what the list knows of the job. */
			begin(listed) {
				shown_facts = null;
				set_text(title, __("Loading…"));
				for (const part of parts) show(part, false);
				lines.show([]);
				edit.close();
				notice.replaceChildren();
				if (listed) this.show(listed);
			},
			show(job) {
				const is_running = job.status === "Running";
				set_text(title, words.name(job));
				show(state, true);
				center.card.show_pill(state, job);
				show(bar.element, is_running);
				if (is_running) bar.show(center.card.percent_of(job), `${__("Progress")}: ${title.textContent}`);
				const reason = is_running ? job.progress_message : job.waiting_reason;
				set_text(line, reason);
				show(line, Boolean(reason));
				show_steps(steps, job);
				bars.show(job);
				edit.show(job);
				show(hidden, job.status === "Completed" && job.result_is_hidden);
				set_text(earlier, center.card.earlier_error(job));
				show(earlier, Boolean(earlier.textContent));
				set_text(error.lastChild, job.error_message);
				show(error, job.status === "Dead Letter" && Boolean(job.error_message));
				const text = job.result == null ? "" : JSON.stringify(job.result, null, 2);
				set_text(result.lastChild, text.slice(0, RESULT_LENGTH));
				show(result, Boolean(text));
				lines.show(job.attempts);
				parameters.show(job);
				const all = facts_of(job);
				const now = JSON.stringify(all);
				if (now !== shown_facts) facts.replaceChildren(...all.flatMap((fact) => pair(fact, actions)));
				shown_facts = now;
				show(known, true);
				if (job.history) show_history(job);
			},
		};
	}

	function section(name, content) {
		return make("section", {}, make("h3", {}, name), content);
	}

	/** The steps of the job. The one at which an attempt has ended is not in progress any more. */
	function show_steps(list, { steps, status }) {
		show(list, steps.length > 0);
		const items = steps.map(({ name, state }) => {
			const now = state === "active" ? (ACTIVE[status] ?? "stopped") : state;
			return make("li", { "data-state": now }, name, make("span", { class: "jc-hidden" }, ` (${STEPS[now]})`));
		});
		list.replaceChildren(...items);
	}

	/** The known facts: a name, a text or time, and its kind. */
	function facts_of(job) {
		const is_longer = job.attempt > job.retry_count + 1; // after a retry by a person, or without a failure
		const attempt = is_longer
			? __("{0} of {1} ({2} in all)", ...words.attempt(job), words.number(job.attempt))
			: __("{0} of {1}", ...words.attempt(job));
		return [
			[__("Job"), job.job_id, "code"],
			[__("Organization"), job.organization_name],
			[__("Owner"), job.owner_user],
			[__("Priority"), PRIORITIES[job.priority]],
			[__("Depends on"), (job.parents ?? []).slice(0, PARENTS), "jobs"],
			[__("Created"), job.created_at, "time"],
			[__("Not before"), is_later(job) ? job.available_at : null, "time"],
			[__("Started"), job.started_at, "time"],
			[__("Ended"), job.canceled_at ? null : job.completed_at, "time"],
			[__("Canceled"), job.canceled_at, "time"],
			[__("Canceled by"), job.canceled_by],
			[__("Attempt"), job.attempt ? attempt : null],
			[__("Outcome"), job.output_url ? null : job.output_reference],
			[__("Files"), job.files?.filter(({ file_url }) => file_url !== job.output_url), "files"],
		].filter(([, value]) => value?.length);
	}

	function link_to(id, actions) {
		return button(id, () => actions.open(id), { class: "jc-link" });
	}

	function link_to_file({ name, file_url: href }) {
		return make("a", { href, download: name }, name);
	}

	function is_later(job) {
		return job.status === "Pending" && new Date(job.available_at) > new Date(job.created_at);
	}

	function pair([name, value, kind], actions) {
		const shown = {
			code: () => make("code", {}, value),
			time: () => make("span", {}, `${words.exact(value)} `, make("small", {}, dom.time(value))),
			files: () => make("span", { class: "jc-links" }, ...value.map(link_to_file)),
			jobs: () => make("span", { class: "jc-links" }, ...value.map((id) => link_to(id, actions))),
		}[kind];
		return [make("dt", {}, name), make("dd", {}, shown ? shown() : value)];
	}

	/** One change of status. The owner is not named, nor the engine, which acts as Administrator. */
	function event_of(event, owner) {
		const actor = [owner, "Administrator"].includes(event.actor) ? null : event.actor;
		const took = event.duration >= 0.05 ? __("took {0}", words.duration(event.duration)) : null;
		const small = [actor, took].filter(Boolean).join(" · ");
		return make(
			"li",
			{ "data-color": center.card.COLORS[event.to_status] ?? "wait" },
			make("strong", {}, words.status(event.to_status)),
			" ",
			dom.time(event.timestamp),
			event.message ? make("p", {}, event.message) : null,
			small ? make("p", { class: "jc-small" }, small) : null,
		);
	}

	center.details = details;
})();
