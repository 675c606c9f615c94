// The parameters of a job, and those of its earlier attempts.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { words, dom } = center;
	const { make } = dom;
	const { __ } = words;
	const LENGTH = 20_000; // characters shown of a value

	/** `show(job)` shows the parameters, and behind a fold those with which earlier attempts ran. */
	function parameters() {
		const content = make("div");
		const element = make("section", {}, make("h3", {}, __("Parameters")), content);
		let shown;
		return {
			element,
			show({ parameters: own, attempts = [] }) {
				const earlier = series_of(attempts);
				const now = JSON.stringify([own, earlier]);
				if (now !== shown) content.replaceChildren(list_of(own), ...earlier.map(fold_of));
				shown = now;
				dom.show(element, Boolean(content.textContent));
			},
		};
	}

	/** Attempts in a row that ran with the same parameters, where these are not the present ones. */
	function series_of(attempts) {
		const series = [];
		for (const { attempt, parameters: had } of attempts) {
			if (!had) continue;
			const last = series.at(-1);
			if (last?.to === attempt - 1 && JSON.stringify(last.had) === JSON.stringify(had)) last.to = attempt;
			else series.push({ from: attempt, to: attempt, had });
		}
		return series;
	}

	function fold_of({ from, to, had }) {
		const [first, last] = [from, to].map(words.number);
		const name = from === to ? __("Attempt {0}", first) : __("Attempts {0} to {1}", first, last);
		return make("details", {}, make("summary", {}, name), list_of(had));
	}

	function list_of(values) {
		const list = make("dl", { class: "jc-values" });
		for (const [name, value] of Object.entries(values ?? {})) {
			const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
			list.append(make("dt", {}, name), make("dd", {}, text.slice(0, LENGTH)));
		}
		return list;
	}

	center.parameters = parameters;
})();
