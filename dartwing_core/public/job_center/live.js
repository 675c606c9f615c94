// Keeps the page up to date: by Frappe's socket where there is one, and always by polling.
(() => {
	"use strict";

	const center = window.dartwing_job_center;
	const FAST = 3_000, // limits: list_jobs 60, and get_job_status and get_job_details 600 calls a minute, over all tabs
		SLOW = 15_000,
		LONGEST_BACKOFF = 60_000;

	/** Text that changes when the job's history does. */
	const state_of = ({ status, attempt }) => `${status} ${attempt}`;

	/** Milliseconds until the next request for the list, or for the `opened` job. `is_told`: whether events report it. */
	const interval_of = (is_told, opened) => (is_told || opened?.completed_at ? SLOW : FAST);

	let is_over = false; // for all pollers: the user knows that the session has ended
	let not_before = 0; // for all pollers: the server has asked to wait until then

	/**
	 * Calls `work` again and again, `interval()` milliseconds after it is done: not while the page is hidden, less often
	 * after errors, never two at a time. An interval of null, or an `on_error` that returns false, waits for `now`.
	 */
	class Poller {
		constructor(work, interval, on_error) {
			Object.assign(this, { work, interval, on_error, failures: 0, is_busy: false, is_wanted: false });
			Object.assign(this, { timer: 0, due: Infinity, began: -Infinity });
			document.addEventListener("visibilitychange", () => this.now());
			window.addEventListener("online", () => this.now());
		}

		/** Poll at once, or right after the call that is running. */
		now() {
			this.after(0);
		}

		/** Poll after so many milliseconds, but never more often than FAST. */
		soon(milliseconds) {
			this.after(Math.max(milliseconds, this.began + FAST - Date.now()));
		}

		/** Poll after so many milliseconds at the latest. */
		after(milliseconds) {
			const due = Math.max(Date.now() + milliseconds, not_before);
			if (due >= this.due) return;
			clearTimeout(this.timer);
			this.due = due;
			this.timer = setTimeout(() => this.run(), due - Date.now());
		}

		async run() {
			this.due = Infinity;
			if (is_over || document.hidden) return;
			if (Date.now() < not_before) return this.after(0);
			this.is_wanted = this.is_busy;
			if (this.is_busy) return;
			this.is_busy = true;
			this.began = Date.now();
			const wait = await this.attempt();
			this.is_busy = false;
			if (this.is_wanted && !this.failures) this.now();
			else if (wait != null) this.after(wait);
			this.is_wanted = false;
		}

		/** Does the work. Returns the milliseconds to wait after it; null for no further call. */
		async attempt() {
			try {
				await this.work();
				this.failures = 0;
				return this.interval();
			} catch (error) {
				this.failures += 1;
				if (error.seconds) not_before = Date.now() + error.seconds * 1000;
				if (this.on_error(error) === false) return null;
				return Math.min(1000 * 2 ** this.failures, LONGEST_BACKOFF);
			}
		}
	}

	/** Calls `on_event(name, message)` for events of jobs, and `on_change(is_connected)` when the socket comes or goes. */
	function listen(on_event, on_change) {
		let attempts = 15;
		const attach = () => {
			const realtime = window.frappe?.realtime;
			if (!realtime?.socket) {
				if ((attempts -= 1)) setTimeout(attach, 1_000); // the website's own scripts may load later
				return;
			}
			for (const name of ["job_progress", "job_status_changed"]) {
				realtime.on(name, (message) => message?.job_id && on_event(name, message)); // the first one connects
			}
			const { socket } = realtime;
			const tell = () => on_change(Boolean(socket.connected));
			socket.on("connect", tell);
			socket.on("disconnect", tell);
			tell();
			// Frappe's client gives up after three attempts.
			const again = () => document.hidden || socket.connected || socket.connect?.();
			document.addEventListener("visibilitychange", again);
			window.addEventListener("online", again);
		};
		attach();
	}

	const end = () => (is_over = true);

	center.live = { Poller, listen, interval_of, state_of, end };
})();
