/* Staying up to date: by Frappe's socket where there is one, and by asking again in any case. */
(() => {
	"use strict";

	const center = window.dartwingJobCenter;
	const FAST = 4_000, // limits: list_jobs 60 and get_job_status 600 calls a minute, over all tabs
		SOON = 10_000,
		IDLE = 30_000,
		IDLE_WITH_SOCKET = 60_000,
		LONGEST_BACKOFF = 60_000;

	const isMoving = (job) => job.status === "Running" || job.status === "Queued";

	/** Milliseconds until a job should be looked at again; `isTold`: whether the socket tells of its changes. */
	function intervalOf(job, isTold) {
		if (isMoving(job)) return isTold ? IDLE : FAST;
		const due = { Pending: job.available_at, Failed: job.next_retry_at, "Timed Out": job.next_retry_at }[job.status];
		if (!due) return isTold ? IDLE_WITH_SOCKET : IDLE;
		return Math.min(Math.max(new Date(due) - Date.now() + 1_000, SOON), IDLE);
	}

	let notBefore = 0; // the server has asked for patience: of all pollers

	/**
	 * Calls `work` again and again, `interval()` milliseconds after it is done: not while the page is hidden, less often
	 * after errors, never two at a time. An interval of null, or an `onError` that returns false, waits for `now`.
	 */
	class Poller {
		constructor(work, interval, onError) {
			Object.assign(this, { work, interval, onError, failures: 0, isBusy: false, isWanted: false });
			Object.assign(this, { timer: 0, due: Infinity, began: -Infinity });
			document.addEventListener("visibilitychange", () => this.now());
			window.addEventListener("online", () => this.now());
		}

		/** At once, or right after the call that is under way. */
		now() {
			this.after(0);
		}

		/** After so many milliseconds, but never more often than FAST. */
		soon(milliseconds) {
			this.after(Math.max(milliseconds, this.began + FAST - Date.now()));
		}

		/** Not later than after so many milliseconds. */
		after(milliseconds) {
			const due = Math.max(Date.now() + milliseconds, notBefore);
			if (due >= this.due) return;
			clearTimeout(this.timer);
			this.due = due;
			this.timer = setTimeout(() => this.run(), due - Date.now());
		}

		stop() {
			clearTimeout(this.timer);
			this.isStopped = true;
		}

		async run() {
			this.due = Infinity;
			if (this.isStopped || document.hidden) return;
			if (Date.now() < notBefore) return this.after(0);
			this.isWanted = this.isBusy;
			if (this.isBusy) return;
			this.isBusy = true;
			this.began = Date.now();
			const wait = await this.attempt();
			this.isBusy = false;
			if (this.isWanted && !this.failures) this.now();
			else if (wait != null && !this.isStopped) this.after(wait);
			this.isWanted = false;
		}

		/** Do the work; milliseconds to wait after it, null for ever. */
		async attempt() {
			try {
				await this.work();
				this.failures = 0;
				return this.interval();
			} catch (error) {
				this.failures += 1;
				if (error.seconds) notBefore = Date.now() + error.seconds * 1000;
				if (this.onError(error) === false) return null;
				return Math.min(1000 * 2 ** this.failures, LONGEST_BACKOFF);
			}
		}
	}

	/** Call `onEvent(name, message)` for events of jobs, and `onChange(isConnected)` when the socket comes or goes. */
	function listen(onEvent, onChange) {
		let attempts = 15;
		const attach = () => {
			const realtime = window.frappe?.realtime;
			if (!realtime?.socket) {
				if ((attempts -= 1)) setTimeout(attach, 1_000); // the website's own scripts may come later
				return;
			}
			for (const name of ["job_progress", "job_status_changed"]) {
				realtime.on(name, (message) => message?.job_id && onEvent(name, message)); // the first one connects
			}
			const { socket } = realtime;
			const tell = () => onChange(Boolean(socket.connected));
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

	center.live = { Poller, listen, intervalOf, isMoving };
})();
