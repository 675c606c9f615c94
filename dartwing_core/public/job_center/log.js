// The lines that the handler of a job has logged.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { words, dom } = center;
	const { make, set_text, set_attribute } = dom;
	const { __ } = words;
	const LEVELS = { debug: __("Debug"), info: __("Info"), warning: __("Warning"), error: __("Error") };
	const AT_END = 4; // pixels: browsers scroll to fractions of them

	/** `show(attempts)` shows the lines of the latest attempt that has any, and hides the element if none has. */
	function log() {
		const title = make("h3");
		const list = make("ol", { class: "jc-log", tabindex: "0" });
		const element = make("section", {}, title, list);
		let shown = []; // the lines in the list, each as JSON
		return {
			element,
			show(attempts = []) {
				const latest = attempts.findLast((attempt) => attempt.log.length);
				const name = attempts.length > 1 ? __("Log of attempt {0}", words.number(latest?.attempt ?? 0)) : __("Log");
				set_text(title, name);
				set_attribute(list, "aria-label", name);
				dom.show(element, Boolean(latest));
				shown = renew(list, shown, latest?.log ?? []);
			},
		};
	}

	/**
	 * Remove the lines that the server has dropped, and add the new ones at the end, so that a selection stays. Scrolls to
	 * the newest line unless the user has scrolled away from it. Returns what is shown.
	 */
	function renew(list, shown, lines) {
		const wanted = lines.map((line) => JSON.stringify(line));
		const is_at_end = list.scrollHeight - list.scrollTop - list.clientHeight < AT_END;
		const kept = [...shown];
		while (kept.some((line, place) => line !== wanted[place])) {
			kept.shift();
			list.firstChild.remove();
		}
		if (kept.length === wanted.length) return wanted;
		list.append(...lines.slice(kept.length).map(line_of));
		if (is_at_end) list.scrollTop = list.scrollHeight;
		return wanted;
	}

	function line_of({ logged_at, level, text }) {
		return make(
			"li",
			{ "data-level": level },
			make("span", { class: "jc-log-time", title: words.exact(logged_at) }, words.clock(logged_at)),
			" ",
			make("span", { class: "jc-log-level" }, LEVELS[level]),
			" ",
			make("span", { class: "jc-log-text" }, text),
		);
	}

	center.log = log;
})();
