// Words, times and numbers for people, in the page's language.
(() => {
	"use strict";

	const data = JSON.parse(document.getElementById("jc-data").textContent);
	const SECONDS = { day: 86400, hour: 3600, minute: 60, second: 1 };

	const language = (() => {
		const tag = (document.documentElement.lang || "en").replace("_", "-");
		try {
			return Intl.getCanonicalLocales(tag)[0];
		} catch {
			return "en";
		}
	})();
	const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
	// In the time zone of the texts that come from the server.
	const format = (styles) => {
		const options = { ...styles, hourCycle: "h23" };
		try {
			return new Intl.DateTimeFormat(language, { ...options, timeZone: data.time_zone });
		} catch {
			return new Intl.DateTimeFormat(language, options); // if the browser does not know the zone
		}
	};
	const exact = format({ dateStyle: "medium", timeStyle: "medium" });
	const clock = format({ timeStyle: "medium" });
	const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
	const short = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
	const share = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });

	/** A text in the user's language, with its {0}, {1} … filled in. Frappe's own `__` knows none on website pages. */
	function __(text, ...values) {
		return (data.words[text] ?? text).replace(/\{(\d)\}/g, (_mark, number) => String(values[number] ?? ""));
	}

	/** "3 minutes ago", "in 2 hours". */
	function distance(moment) {
		const seconds = Math.round((new Date(moment) - Date.now()) / 1000);
		const [unit, size] = Object.entries(SECONDS).find(([, most]) => Math.abs(seconds) >= most) ?? ["second", 1];
		return relative.format(Math.trunc(seconds / size), unit);
	}

	/** "4.2 s", "3 min 5 s", "2 h 10 min". */
	function duration(seconds) {
		if (seconds < 60) return __("{0} s", short.format(seconds));
		if (seconds < 3600) return __("{0} min {1} s", whole.format(Math.floor(seconds / 60)), whole.format(seconds % 60));
		return __("{0} h {1} min", whole.format(Math.floor(seconds / 3600)), whole.format(Math.floor((seconds % 3600) / 60)));
	}

	window.dartwing_job_center = {
		data,
		words: {
			__,
			distance,
			duration,
			exact: (moment) => exact.format(new Date(moment)),
			clock: (moment) => clock.format(new Date(moment)),
			/** The attempt that runs, comes next or was the last of its series, and how many there may be. */
			attempt: ({ retry_count, max_retries }) => [retry_count + 1, max_retries + 1].map(whole.format),
			number: (value) => whole.format(value),
			percent: (value) => share.format(value / 100),
			status: (status) => data.statuses[status] ?? status,
			type: (name) => data.job_types[name] ?? name,
			name: ({ title, job_type }) => title || (data.job_types[job_type] ?? job_type),
		},
	};
})();
