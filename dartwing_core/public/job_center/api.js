// Sends requests to the REST API (docs/rest_api.md), and says what its errors mean for this page.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const { __ } = center.words;
	const BASE = "/api/method/dartwing_core.api.jobs.";
	const TIMEOUT = 20_000;

	// Desk's bundle has its own ApiError (public/js/jobs/api.js): this page loads no bundle, and knows one `kind` more.
	/**
	 * `kind`: login (the session has ended), reload (its token is an old one), gone (no such job), busy (later, after
	 * `seconds`), offline, refused (not in this state, not permitted) or failed. `message` is for people.
	 */
	class ApiError extends Error {
		constructor(kind, message, seconds = 0) {
			super(message);
			this.kind = kind;
			this.seconds = seconds;
		}
	}

	const read = (name, values) => ask(`${name}?${new URLSearchParams(given(values))}`, { method: "GET" });

	const write = (name, values) =>
		ask(name, {
			method: "POST",
			body: JSON.stringify(values),
			headers: { "Content-Type": "application/json", "X-Frappe-CSRF-Token": center.data.csrf_token },
		});

	function given(values) {
		return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "" && value != null));
	}

	async function ask(path, options) {
		const headers = { Accept: "application/json", ...options.headers };
		const limits = { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT) };
		let response, body;
		try {
			response = await fetch(BASE + path, { ...options, ...limits, headers });
			body = await response.json();
		} catch (error) {
			if (response && error instanceof SyntaxError) body = {};
			else throw new ApiError("offline", __("Can't reach the server. The page keeps trying."));
		}
		if (response.ok && body.message) return body.message;
		throw refusal(response, body);
	}

	function refusal(response, body) {
		const { status } = response;
		if (status === 401 || (status === 403 && !body.error)) {
			return new ApiError("login", __("Your session has expired. Log in again to continue."));
		}
		if (status === 429 || status === 502 || status === 503 || status === 504) {
			const seconds = Number(response.headers.get("Retry-After")) || 5;
			return new ApiError("busy", __("The server is busy. The page keeps trying."), seconds);
		}
		if (body.exc_type === "CSRFTokenError") {
			return new ApiError("reload", __("You logged in again after you opened this page. Reload it and try again."));
		}
		if (status === 404) {
			return new ApiError("gone", __("This job no longer exists, or you no longer have access to it."));
		}
		if (status < 500 && typeof body.message === "string") return new ApiError("refused", body.message);
		return new ApiError("failed", __("Something went wrong. Please try again later."));
	}

	center.api = {
		ApiError,
		list: (filters) => read("list_jobs", filters),
		status: (job) => read("get_job_status", { job_id: job }),
		details: (job) => read("get_job_details", { job_id: job }),
		cancel: (job) => write("cancel_job", { job_id: job }),
		retry: (job, parameters) => write("retry_job", { job_id: job, parameters }),
		holdups: () => read("get_holdups", {}),
		run_now: (job) => write("run_now", { job_id: job }),
	};
})();
