/* The dialog with all there is to know of one job. */
(() => {
	"use strict";

	const center = window.dartwingJobCenter;
	const { words, dom, api } = center;
	const { make, button, setText, show } = dom;
	const { say } = words;
	const RESULT_LENGTH = 20_000;
	const PARENTS = 20; // of a job that depends on more, the first

	/** `show(job)` brings it up to date; `history()` reads the history again. */
	function details(dialog, actions) {
		let job, shownFacts;
		const title = make("h2", { id: "jc-details-title", tabindex: "-1" });
		const state = center.card.pill();
		const close = button(say("close"), () => dialog.close(), { class: "jc-button jc-close" });
		const notice = make("div", { role: "alert" });
		const bar = dom.bar();
		const line = make("p", { class: "jc-line" });
		const steps = make("ol", { class: "jc-steps", "aria-label": say("steps") });
		const bars = center.card.actionBar(actions, title);
		const hidden = make("p", { class: "jc-note" }, say("result_hidden"));
		const error = section(say("error"), make("p", { class: "jc-error" }));
		const result = section(say("result"), make("pre", { tabindex: "0", "aria-label": say("result") }));
		const facts = make("dl", { class: "jc-facts" });
		const events = make("ol", { class: "jc-events" });
		const body = make("div", { class: "jc-details-body" });
		body.append(notice, bar.element, line, steps, bars.element, hidden, error, result);
		const known = section(say("facts"), facts);
		const past = section(say("history"), events);
		body.append(known, past);
		const parts = [state, bar.element, line, steps, bars.element, hidden, error, result, known, past];
		dialog.append(make("div", { class: "jc-details-head" }, title, state, close), body);
		dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

		async function history() {
			const { job_id: name } = job;
			const found = await api.history(name);
			if (job.job_id !== name) return;
			events.replaceChildren(...found.map((event) => eventOf(event, job.owner_user)).reverse());
			show(past, true);
		}

		return {
			notice,
			history,
			/** The job is gone. */
			end() {
				setText(title, job.job_id);
				for (const part of parts) show(part, false, title);
			},
			/** Before its first answer. */
			begin(name) {
				job = { job_id: name };
				shownFacts = null;
				setText(title, say("loading"));
				for (const part of parts) show(part, false);
				notice.replaceChildren();
			},
			show(current) {
				job = current;
				const isRunning = job.status === "Running";
				setText(title, words.type(job.job_type));
				show(state, true);
				center.card.showPill(state, job);
				show(bar.element, isRunning);
				if (isRunning) bar.show(center.card.percentOf(job), `${say("progress")}: ${title.textContent}`);
				const reason = isRunning ? job.progress_message : job.waiting_reason;
				setText(line, reason);
				show(line, Boolean(reason));
				showSteps(steps, job.steps);
				bars.show(job);
				show(hidden, job.status === "Completed" && job.result_is_hidden);
				setText(error.lastChild, job.error_message);
				show(error, Boolean(job.error_message));
				const text = job.result == null ? "" : JSON.stringify(job.result, null, 2);
				setText(result.lastChild, text.slice(0, RESULT_LENGTH));
				show(result, Boolean(text));
				const all = factsOf(job);
				const now = JSON.stringify(all);
				if (now !== shownFacts) facts.replaceChildren(...all.flatMap((fact) => pair(fact, actions)));
				shownFacts = now;
				show(known, true);
			},
		};
	}

	function section(name, content) {
		return make("section", {}, make("h3", {}, name), content);
	}

	function showSteps(list, steps) {
		show(list, steps.length > 0);
		const items = steps.map(({ name, state }) =>
			make("li", { "data-state": state }, name, make("span", { class: "jc-hidden" }, ` (${say(`step_${state}`)})`)),
		);
		list.replaceChildren(...items);
	}

	/** What is known: a name, a text or moment, and of what kind it is. */
	function factsOf(job) {
		const attempts = say("attempts_of", words.number(job.attempt), words.number(job.max_retries + 1));
		return [
			["job", job.job_id, "code"],
			["organization", job.organization_name],
			["owner", job.owner_user],
			["priority", say(`priority_${job.priority}`)],
			["depends_on", (job.parents ?? []).slice(0, PARENTS), "jobs"],
			["created", job.created_at, "time"],
			["due", isLater(job) ? job.available_at : null, "time"],
			["started", job.started_at, "time"],
			["completed", job.completed_at, "time"],
			["canceled", job.canceled_at, "time"],
			["canceled_by", job.canceled_by],
			["attempts", job.attempt ? attempts : null],
			["outcome", job.output_url ? null : job.output_reference],
		].filter(([, value]) => value?.length);
	}

	function linkTo(id, actions) {
		return button(id, () => actions.open(id), { class: "jc-link" });
	}

	function isLater(job) {
		return job.status === "Pending" && new Date(job.available_at) > new Date(job.created_at);
	}

	function pair([name, value, kind], actions) {
		const shown = {
			code: () => make("code", {}, value),
			time: () => make("span", {}, `${words.exact(value)} `, make("small", {}, dom.time(value))),
			jobs: () => make("span", { class: "jc-links" }, ...value.map((id) => linkTo(id, actions))),
		}[kind];
		return [make("dt", {}, say(name)), make("dd", {}, shown ? shown() : value)];
	}

	/** One change of status. Nobody to name: the owner, and the engine, which acts as Administrator. */
	function eventOf(event, owner) {
		const actor = [owner, "Administrator"].includes(event.actor) ? null : event.actor;
		const took = event.duration > 0 ? say("took", words.duration(event.duration)) : null;
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
