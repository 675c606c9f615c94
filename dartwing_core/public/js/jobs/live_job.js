// Keeps one job up to date: by the realtime room of its document, and by polling where there is no socket.

const DOCTYPE = "Background Job";
const POLL = 3_000; // without a socket
const POLL_WITH_SOCKET = 30_000; // events may get lost
const LONGEST_WAIT = 30_000;
const READ_AGAIN = 2_000; // after an event without texts
const FINISHED = new Set(["Completed", "Canceled", "Dead Letter"]);
const joined = new Map(); // job id → how many watch it

export const is_finished = (job) => FINISHED.has(job.status);

export class LiveJob {
	/**
	 * `read()`: requests the job. `on_change(job)`: the job has changed; also called with the first answer.
	 * `on_error(error)`: a request has failed, see ApiError. `on_connection(is_live)`: the socket came or went.
	 */
	constructor(job_id, { read, on_change, on_error, on_connection }) {
		Object.assign(this, { job_id, read, on_change, on_error, on_connection });
		Object.assign(this, { job: null, failures: 0, question: 0, timer: 0, soon: 0, is_stopped: false });
		this.handlers = {
			job_progress: (message) => message?.job_id === job_id && this.take_progress(message),
			job_status_changed: (message) => message?.job_id === job_id && this.refresh(),
			connect: () => this.connected(),
			disconnect: () => this.disconnected(),
		};
		this.wake = () => document.hidden || this.refresh();
	}

	get is_live() {
		return Boolean(frappe.realtime.socket?.connected);
	}

	start() {
		for (const [event, handler] of Object.entries(this.handlers)) frappe.realtime.on(event, handler);
		document.addEventListener("visibilitychange", this.wake);
		window.addEventListener("online", this.wake);
		join(this.job_id);
		this.on_connection?.(this.is_live);
		this.refresh();
		return this;
	}

	stop() {
		if (this.is_stopped) return;
		this.is_stopped = true;
		clearTimeout(this.timer);
		clearTimeout(this.soon);
		for (const [event, handler] of Object.entries(this.handlers)) frappe.realtime.off(event, handler);
		document.removeEventListener("visibilitychange", this.wake);
		window.removeEventListener("online", this.wake);
		leave(this.job_id);
	}

	/** Request the job now. */
	async refresh() {
		if (this.is_stopped) return;
		clearTimeout(this.timer);
		clearTimeout(this.soon);
		this.soon = 0;
		const number = (this.question += 1);
		this.told = null;
		try {
			const job = await this.read();
			if (this.is_stopped || number !== this.question) return;
			this.failures = 0;
			this.job = job.status === "Running" ? { ...job, ...this.told } : job;
			this.on_change(this.job);
			this.again_after(this.interval());
		} catch (error) {
			if (this.is_stopped || number !== this.question) return;
			if (!error.kind) throw error;
			this.failed(error);
		}
	}

	failed(error) {
		this.failures += 1;
		this.on_error(error);
		if (error.kind === "gone" || error.kind === "login") this.stop();
		else this.again_after(Math.max(error.seconds * 1000, Math.min(1000 * 2 ** this.failures, LONGEST_WAIT)));
	}

	/** Milliseconds until the next request; null for none. */
	interval() {
		if (is_finished(this.job)) return null;
		return this.is_live ? POLL_WITH_SOCKET : POLL;
	}

	again_after(milliseconds) {
		clearTimeout(this.timer);
		if (milliseconds == null || this.is_stopped) return;
		this.timer = setTimeout(() => {
			if (document.hidden) return; // `wake` sends the request
			const { socket } = frappe.realtime;
			if (socket && !socket.connected) socket.connect(); // Frappe's client gives up after three attempts
			this.refresh();
		}, milliseconds);
	}

	disconnected() {
		this.on_connection?.(false);
		if (this.job) this.again_after(this.interval());
	}

	connected() {
		joined.forEach((_count, job_id) => subscribe(job_id)); // the server has forgotten
		this.on_connection?.(true);
		this.refresh();
	}

	take_progress({ progress, progress_message, steps, logged_lines }) {
		if (this.is_stopped || this.job?.status !== "Running") return;
		const has_more_lines = logged_lines > 0 && logged_lines !== this.logged_lines;
		this.logged_lines = logged_lines;
		// The job's room hears no texts. Its owner hears them in their own room.
		const is_without_texts = progress_message == null && steps == null;
		const lacks_texts = is_without_texts && this.job.owner_user !== frappe.session.user;
		if (has_more_lines || lacks_texts) this.soon ||= setTimeout(() => this.refresh(), READ_AGAIN);
		if (is_without_texts) {
			this.told = { ...this.told, progress };
		} else {
			this.told = { progress, progress_message, steps: steps ?? [] }; // newer than an answer that is still on its way
		}
		this.job = { ...this.job, ...this.told };
		this.on_change(this.job);
		this.again_after(this.interval());
	}
}

function join(job_id) {
	joined.set(job_id, (joined.get(job_id) ?? 0) + 1);
	subscribe(job_id);
}

/** Subscribe without Frappe's own `doc_subscribe`, which drops the second of two calls within a second. */
function subscribe(job_id) {
	if (!frappe.realtime.socket) return;
	frappe.realtime.open_docs?.add(`${DOCTYPE}:${job_id}`);
	frappe.realtime.emit("doc_subscribe", DOCTYPE, job_id);
}

function leave(job_id) {
	const count = joined.get(job_id) - 1;
	if (count) joined.set(job_id, count);
	else {
		joined.delete(job_id);
		if (frappe.realtime.socket) frappe.realtime.doc_unsubscribe(DOCTYPE, job_id);
	}
}
