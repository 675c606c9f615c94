// Sends requests to the REST API (docs/rest_api.md). Not by frappe.call, which shows a dialog for every error: polling
// would repeat it.

const BASE = "/api/method/dartwing_core.api.jobs.";
const DESK = "/api/method/dartwing_core.api.desk."; // calls that no other client needs
const TIMEOUT = 20_000;
const LOGGED_OUT = 401;
const TOO_MANY = 429;

/**
 * `kind`: login (the session has ended), gone (no such job), busy (later, after `seconds`), offline, refused (not in
 * this state, not permitted) or failed. `message` is plain text for people.
 */
export class ApiError extends Error {
	constructor(kind, message, seconds = 0) {
		super(message);
		this.kind = kind;
		this.seconds = seconds;
	}
}

/** Whether the shown state is outdated: the job or document has changed since. */
export const is_outdated = ({ kind }) => kind === "gone" || kind === "refused";

export function read(name, values = {}) {
	const given = Object.entries(values).filter(([, value]) => value !== "" && value != null);
	return ask(`${BASE}${name}?${new URLSearchParams(given)}`, { method: "GET" });
}

export function write(name, values = {}) {
	return post(BASE + name, values);
}

/** The progress of the running ones of these jobs: `{ job id: { attempt, progress, progress_message } }`. */
export function live_progress(job_ids) {
	return post(`${DESK}live_progress`, { job_ids });
}

/** The organization that the user means who names none; empty if it is not clear. */
export function usual_organization() {
	return post(`${DESK}usual_organization`, {});
}

function post(address, values) {
	const headers = { "Content-Type": "application/json", "X-Frappe-CSRF-Token": frappe.csrf_token };
	return ask(address, { method: "POST", body: JSON.stringify(values), headers });
}

async function ask(address, options) {
	const headers = { Accept: "application/json", ...options.headers };
	const limits = { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT) };
	let response, body;
	try {
		response = await fetch(address, { ...options, ...limits, headers });
		body = await response.json();
	} catch (error) {
		if (!response || !(error instanceof SyntaxError)) throw new ApiError("offline", said().offline);
		body = {};
	}
	if (response.ok && body.message !== undefined) return body.message;
	throw refusal(response, body);
}

function refusal({ status, headers }, body) {
	if (status === LOGGED_OUT || body.exc_type === "CSRFTokenError") return new ApiError("login", said().login);
	if (status === TOO_MANY || (status > 501 && status < 505)) {
		return new ApiError("busy", said().busy, Number(headers.get("Retry-After")) || 5);
	}
	if (status === 404) return new ApiError("gone", said().gone);
	if (status < 500 && typeof body.message === "string") return new ApiError("refused", body.message);
	return new ApiError("failed", said().failed);
}

/** A message for people. Translated at each call, since the translations load after this script. */
function said() {
	return {
		offline: __("The server can't be reached. The page tries again by itself."),
		login: __("Your session has ended. Reload the page and log in again."),
		busy: __("The server is busy. Please try again in a moment."),
		gone: __("This job does not exist any more, or you may not see it any more."),
		failed: __("Something went wrong. Please try again later."),
	};
}
